"""How the command line ends: exit codes, and the one line that says why."""

from __future__ import annotations

import sys

from engine.version import __version__

OK, FAILED, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
"""All verified; an operation failed or was wrong; usage; Ctrl-C and a closed pipe, as a shell has them."""


def complain(message: str) -> None:
    """One line on stderr."""
    print(f"simaccel: {' '.join(message.splitlines())}", file=sys.stderr)


def print_version() -> None:
    """One line on stdout."""
    print(f"simaccel {__version__}")
