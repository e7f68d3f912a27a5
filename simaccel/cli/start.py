"""Where the command `simaccel` begins. Handles Ctrl-C before it imports anything that takes time."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from simaccel.cli.early_interrupt import exit_on_interrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code. By default it is the command line of this process. Main thread only.

    With `argv` the process belongs to the caller, so its signal handlers and its environment stay as they are.
    """
    if argv is not None:
        from simaccel.cli.entry import run

        return run(argv)
    exit_on_interrupt()
    from simaccel.cli.entry import run_process

    try:
        return run_process(sys.argv[1:])
    finally:
        exit_on_interrupt()
