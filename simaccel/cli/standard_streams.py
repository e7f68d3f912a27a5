"""Standard streams may be closed when the process starts, as with `simaccel run >&-`.

The next files that are opened would get their numbers, even sockets and event fds, and what we print would go there.
And Python has None for such a stream, so that texts for standard error are printed to standard output.
"""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Make the standard streams usable.

    The number of a closed stream is given to /dev/null, opened so that reading standard input, or writing to standard
    output, fails as in any program, with "bad file descriptor". What goes to standard error is lost.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # it gets the lowest free number, which is this one
            os.set_inheritable(number, True)
    # These stay open as long as the process runs.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    # A name that the terminal can't show is printed with escapes. Otherwise it would be an error after hours of work.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def silence_stdout() -> None:
    """Do this when standard output can't be written any more: otherwise Python would try again at its exit, and
    complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
