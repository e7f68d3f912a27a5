"""The typer application: turns arguments into a plan, a function that does the work and returns the exit code.

A subcommand is a module with a function `command`. Typer reads the options from its signature. The function checks them
and returns the plan. Whatever it raises is a usage error, because no work has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

import typer

from engine.errors import UsageError
from sim import UsageError as SimUsageError
from simaccel.cli.exits import INTERRUPTED, OK, USAGE, complain, print_version

COMMANDS = {
    "run": "simaccel.cli.commands.run",
    "info": "simaccel.cli.commands.info",
    "plan": "simaccel.cli.commands.plan",
    "sweep": "simaccel.cli.commands.sweep",
    "replay": "simaccel.cli.commands.replay",
    "explain": "simaccel.cli.commands.explain",
    "bench": "simaccel.cli.commands.bench",
    "serve": "simaccel.cli.commands.serve",
    "stat": "simaccel.cli.commands.stat",
    "inject": "simaccel.cli.commands.inject",
    "openssl": "simaccel.cli.commands.openssl",
    "check": "simaccel.cli.commands.check",
    "certify": "simaccel.cli.commands.certify",
    "help": "simaccel.cli.commands.help",
}
"""Each subcommand and its module, in the order of the help."""

EPILOGUES = {
    "run": "The grammars: simaccel help timing, simaccel help faults, simaccel help trace.",
    "serve": "The grammars: simaccel help timing, simaccel help faults.",
    "inject": "The grammar: simaccel help faults.",
    "replay": "What a trace holds: simaccel help trace.",
}
"""The last line of a subcommand's help."""

TYPERS_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a wrong command line. It has no public name."""


def plan(arguments: Sequence[str]) -> Callable[[], int]:
    """The plan for these arguments. If the command line is wrong, this prints why, and the plan returns the exit
    code."""
    if not arguments:
        complain(f"give a command: {', '.join(COMMANDS)}; see simaccel --help")
        return lambda: USAGE
    try:
        answer = application(arguments[0])(list(arguments), prog_name="simaccel", standalone_mode=False)
    except (UsageError, SimUsageError) as error:
        complain(str(error))
        return lambda: USAGE
    except TYPERS_USAGE_ERROR as error:
        command = f"simaccel {arguments[0]}" if arguments[0] in COMMANDS else "simaccel"
        complain(f"{error.format_message().rstrip('.')}; see {command} --help")  # type: ignore[attr-defined]
        return lambda: USAGE
    except typer.Abort:
        raise KeyboardInterrupt from None
    if answer == INTERRUPTED:  # this is how typer says so; older versions abort
        raise KeyboardInterrupt
    if callable(answer):
        return answer  # type: ignore[no-any-return]
    return lambda: int(answer or OK)  # help and --version have been printed


def application(chosen: str) -> typer.Typer:
    """An application with only the chosen subcommand, or with all if there is none of that name.

    The modules of the other subcommands are not imported.
    """
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(simaccel)
    for name, module in COMMANDS.items():
        if name == chosen or chosen not in COMMANDS:
            app.command(name, epilog=EPILOGUES.get(name))(import_module(module).command)
    return app


def simaccel(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """An asynchronous crypto accelerator that needs no hardware."""
    if version:
        print_version()
        raise typer.Exit(OK)
