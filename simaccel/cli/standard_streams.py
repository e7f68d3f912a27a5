"""Standard streams that are closed when the process starts, as by `simaccel run >&-`.

Their numbers would be given to the next files that are opened, sockets and event fds among them, and what is printed
would end up there. And Python has None for such a stream, which prints to standard output what is meant for standard
error.
"""

from __future__ import annotations

import io
import os
import sys


def prepare() -> None:
    """Make the streams fit to be used, whatever they are.

    A closed stream's number is given to /dev/null, so that using it fails as it does in any program: to read standard
    input, or to write to standard output, is a bad file descriptor. What goes to standard error goes nowhere.
    """
    for number, flags in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)  # gets the lowest number that is free: this one
            os.set_inheritable(number, True)
    # These stay open as long as the process runs.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    # A name that the terminal's encoding does not have is shown with escapes, and is no error after hours of work.
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115


def silence_stdout() -> None:
    """Nothing more can be written to it; Python would try once more at its exit, and complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
