"""How a command ends: its exit code, and the line on stderr that says why."""

from __future__ import annotations

import sys
from contextlib import suppress

from simaccel.version import __version__

OK, FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""The exit codes: success; something failed or was wrong; wrong usage; Ctrl-C; stdout was closed. The last two are 128
+ the signal."""

NO_DEVICE = 125
"""`openssl --require-device` did not start the program. `timeout` and `env` use 125 for the same purpose."""


class OutputError(Exception):
    """A file or a stream can't be written."""

    def __init__(self, target: str, error: OSError) -> None:
        super().__init__(f"{target}: {error.strerror or error}")


def complain(message: str) -> None:
    """Print one line on stderr. If stderr can't be written, the line is lost, and only the exit code tells."""
    with suppress(OSError):
        print(f"simaccel: {' '.join(message.splitlines())}", file=sys.stderr)


def print_version() -> None:
    """Print the version on stdout."""
    print(f"simaccel {__version__}")
