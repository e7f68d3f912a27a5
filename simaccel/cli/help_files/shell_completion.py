"""The completion of simaccel in bash, made from the help: `python -m simaccel.cli.help_files.shell_completion`.

The script holds all words itself. typer's own completion starts Python at each press of Tab, which takes longer than a
person waits.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simaccel.cli.help_files.described import DescribedCommand, described_commands
from simaccel.cli.topics import TOPICS

SCRIPT = """\
# bash completion of simaccel. zsh reads it too, after: autoload -U bashcompinit && bashcompinit
_simaccel() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}} words valued at
    COMPREPLY=()
    for ((at = 2; at < COMP_CWORD; at++)); do
        if [[ ${{COMP_WORDS[at]}} == -- ]]; then  # a command of the user's own follows
            if declare -F _command_offset >/dev/null; then
                _command_offset $((at + 1))
            elif ((at + 1 == COMP_CWORD)); then
                COMPREPLY=($(compgen -c -- "$current"))
            fi
            return
        fi
    done
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "{first}" -- "$current"))
        return
    fi
    case ${{COMP_WORDS[1]}} in
{cases}
        *) return ;;
    esac
    if [[ " $valued " == *" $previous "* ]]; then  # a value: files, by -o default
        return
    fi
    if [[ $current == -* || -z $current || ${{COMP_WORDS[1]}} == help ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    fi
}}
complete -o default -F _simaccel simaccel
"""


def completion(commands: Sequence[DescribedCommand]) -> str:
    """The script for bash. `commands` begins with the application itself."""
    whole, *rest = commands
    first = [command.name for command in rest] + _options(whole)
    cases = [
        f'        {command.name}) words="{" ".join(_words(command))}" valued="{" ".join(_options(command, True))}" ;;'
        for command in rest
    ]
    return SCRIPT.format(first=" ".join(first), cases="\n".join(cases))


def _words(command: DescribedCommand) -> list[str]:
    return [*(TOPICS if command.name == "help" else ()), *_options(command)]


def _options(command: DescribedCommand, with_value: bool = False) -> list[str]:
    return [
        name
        for parameter in command.parameters
        if parameter.takes_value or not with_value
        for name in parameter.names
        if name.startswith("--")
    ]


if __name__ == "__main__":
    sys.stdout.write(completion(described_commands()))
