"""Where the command line begins, and where whatever comes out of it becomes an exit code.

Nothing is imported before it is needed: `simaccel --version` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from engine.cli.exits import FAILED, INTERRUPTED, OK, PIPE_CLOSED, OutputError, complain, print_version
from engine.cli.streams import prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; returns the exit code. Raises for bugs of ours alone."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare()
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # stdout's reader has seen enough, as `head` does
        _silence_stdout()
        return PIPE_CLOSED
    except OutputError as error:
        complain(str(error))
        return FAILED
    except OSError as error:  # stdout can't be written: a full disk, or it was closed before we came
        _silence_stdout()
        complain(f"standard output: {error.strerror or error}")
        return FAILED
    return code


def _run(arguments: list[str]) -> int:
    if arguments == ["--version"]:
        print_version()
        return OK
    from engine.cli.app import plan

    return plan(arguments)()


def _silence_stdout() -> None:
    """Nothing more can be written to it; Python would try once more at its exit, and complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
