"""The typer application: from arguments to a plan, which is what a subcommand has to do, ready to be called.

A subcommand is a module with a function `command`, which typer reads the options off. It checks them, and returns a
function that does the work and returns the exit code. What is raised before that is a usage error.
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
    "replay": "simaccel.cli.commands.replay",
    "bench": "simaccel.cli.commands.bench",
    "serve": "simaccel.cli.commands.serve",
    "stat": "simaccel.cli.commands.stat",
    "inject": "simaccel.cli.commands.inject",
    "openssl": "simaccel.cli.commands.openssl",
    "check": "simaccel.cli.commands.check",
}
"""Each subcommand and its module, in the order of the help."""

TYPERS_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]
"""What typer raises for a wrong command line: it has no public name."""


def plan(arguments: Sequence[str]) -> Callable[[], int]:
    """What the arguments ask for; a wrong command line has been complained of, and leaves only its exit code."""
    if not arguments:
        complain(f"say what to do: {', '.join(COMMANDS)}; simaccel --help tells more")
        return lambda: USAGE
    try:
        answer = _app(arguments[0])(list(arguments), prog_name="simaccel", standalone_mode=False)
    except (UsageError, SimUsageError) as error:
        complain(str(error))
        return lambda: USAGE
    except TYPERS_USAGE_ERROR as error:
        command = f"simaccel {arguments[0]}" if arguments[0] in COMMANDS else "simaccel"
        complain(f"{error.format_message().rstrip('.')}; see {command} --help")  # type: ignore[attr-defined]
        return lambda: USAGE
    except typer.Abort:
        raise KeyboardInterrupt from None
    if answer == INTERRUPTED:  # typer's own way to say so; older ones abort
        raise KeyboardInterrupt
    if callable(answer):
        return answer  # type: ignore[no-any-return]
    return lambda: int(answer or OK)  # help and --version have been printed


def _app(chosen: str) -> typer.Typer:
    """With the chosen subcommand alone, if there is one of that name: the others need not be imported."""
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(simaccel)
    for name, module in COMMANDS.items():
        if name == chosen or chosen not in COMMANDS:
            app.command(name)(import_module(module).command)
    return app


def simaccel(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """An asynchronous crypto accelerator that needs no hardware."""
    if version:
        print_version()
        raise typer.Exit(OK)
