"""How the command line ends: exit codes, and the one line that says why."""

from __future__ import annotations

import sys
from contextlib import suppress

from simaccel.version import __version__

OK, FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""All verified; an operation failed or was wrong; usage; Ctrl-C and a closed pipe, as a shell has them."""

NO_DEVICE = 125
"""`openssl --require-device` did not start the program. As with timeout and env: 125 is none of the program's own."""


class OutputError(Exception):
    """A file, or a stream, that can't be written."""

    def __init__(self, target: str, error: OSError) -> None:
        super().__init__(f"{target}: {error.strerror or error}")


def complain(message: str) -> None:
    """One line on stderr. If nobody can read it there, the exit code has to do."""
    with suppress(OSError):
        print(f"simaccel: {' '.join(message.splitlines())}", file=sys.stderr)


def print_version() -> None:
    """One line on stdout."""
    print(f"simaccel {__version__}")
