"""The help of all commands as plain data, read from the typer application."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import typer.main

from simaccel.cli.app import COMMANDS, application


@dataclass(frozen=True, slots=True)
class Described:
    """An option or argument."""

    names: tuple[str, ...]
    """The names of an option, such as `--socket`. Empty for an argument."""
    shown: str
    """As the help shows it, with its value: `--socket ADDRESS`."""
    text: str
    takes_value: bool


@dataclass(frozen=True, slots=True)
class DescribedCommand:
    """A command, with everything that its --help prints."""

    name: str
    usage: str
    """Such as `simaccel serve [OPTIONS]`."""
    text: str
    """Paragraphs, with an empty line between them."""
    parameters: tuple[Described, ...]


def described_commands() -> list[DescribedCommand]:
    """All commands, in the order of the help. The application itself comes first, with the name ''."""
    # Any: the classes behind typer are click's in some versions, and typer's own in others.
    group: Any = typer.main.get_command(application(""))
    settings = group.context_settings
    context = group.context_class(group, info_name="simaccel", **settings)
    found = [_described("", group, context)]
    for name in COMMANDS:
        command = group.commands[name]
        inner = command.context_class(command, info_name=name, parent=context, **settings)
        found.append(_described(name, command, inner))
    return found


def _described(name: str, command: Any, context: Any) -> DescribedCommand:
    parameters = []
    for parameter in command.get_params(context):
        shown, text = parameter.get_help_record(context) or ("", "")
        option = parameter.param_type_name == "option"
        names = tuple(parameter.opts) if option else ()
        if not option:
            shown = parameter.metavar or parameter.name.upper()
        takes_value = not getattr(parameter, "is_flag", False)
        parameters.append(Described(names, shown, " ".join(text.split()), takes_value))
    usage = command.get_usage(context).removeprefix("Usage: ")
    text = "\n\n".join(filter(None, (command.help, command.epilog)))
    return DescribedCommand(name, " ".join(usage.split()), text, tuple(parameters))
