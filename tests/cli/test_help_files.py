"""The man page and the completion say what the help says, and the programs that read them find no fault."""

from __future__ import annotations

import re
import subprocess

import pytest

from simaccel.cli.app import COMMANDS
from simaccel.cli.help_files.described import DescribedCommand, described_commands
from simaccel.cli.help_files.man_page import man_page
from simaccel.cli.help_files.shell_completion import completion
from simaccel.cli.topics import TOPICS
from tests.bridge.conftest import require
from tests.cli.cli import Cli


@pytest.fixture(scope="module")
def commands() -> list[DescribedCommand]:
    return described_commands()


def test_the_man_page_has_every_command_option_and_grammar(commands: list[DescribedCommand]) -> None:
    require("groff")
    words = ["groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-o", "-P-u", "-ww", "-rLL=1000n"]
    done = subprocess.run(words, input=man_page(commands), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    for command in commands:
        assert not command.name or command.usage in lines
        for parameter in command.parameters:
            assert any(line.startswith(parameter.shown) for line in lines), parameter
            assert any(line.endswith(parameter.text) for line in lines), parameter
    assert {f"simaccel help {topic}" for topic in TOPICS} <= set(lines)


def test_every_option_of_the_help_is_described(cli: Cli, commands: list[DescribedCommand]) -> None:
    described = {command.name: command for command in commands}
    assert list(described) == ["", *COMMANDS]
    shown = set(re.findall(r"^ +(?:-h, )?(--[\w-]+)", cli("serve", "--help").text, re.MULTILINE))
    assert {name for option in described["serve"].parameters for name in option.names} == shown | {"-h"}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("simaccel se", {"serve"}),
        ("simaccel --v", {"--version"}),
        ("simaccel serve --log", {"--log-level", "--log-json"}),
        ("simaccel serve --socket ", set()),
        ("simaccel help ", {*TOPICS, "--help"}),
        ("simaccel openssl --device -- simaccel-no-such-program", set()),
        ("simaccel openssl --device -- openssl --", set()),
        ("simaccel no-such-command --", set()),
    ],
)
def test_bash_completes(commands: list[DescribedCommand], typed: str, offered: set[str]) -> None:
    words = typed.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    script = f"{completion(commands)}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _simaccel; "
    script += 'printf "%s\\n" "${COMPREPLY[@]}"'
    require("bash")
    done = subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert set(done.stdout.split()) == offered
