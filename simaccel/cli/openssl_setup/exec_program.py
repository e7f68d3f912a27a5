"""Replaces this process by another program, which then runs as if it had been called directly.

The Python interpreter changes two things at its start, and a program would inherit them. It ignores SIGPIPE and
SIGXFSZ, so that `yes | head` would not end. And in the C locale it sets LC_CTYPE in the environment (PEP 538). We undo
both, as `subprocess` undoes the first for the programs that it starts. We can't know whether one of these signals was
ignored before the interpreter started, so it gets its default action even then. So does SIGCHLD, which the command line
itself does not leave ignored.
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_AT_START = Path("/proc/self/environ")
"""The environment that the kernel gave to this process at its start, without later changes."""


def become(program: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process by the program, which is looked for in PATH. Main thread only.

    Raises OSError if it can't be run; this process then goes on as it was.
    """
    if not program[0]:
        raise FileNotFoundError(errno.ENOENT, "give the name of a program, not an empty word")
    before = {number: signal.signal(number, signal.SIG_DFL) for number in IGNORED_BY_PYTHON}
    try:
        os.execvpe(program[0], program, environment)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def environment_of_caller() -> dict[str, str]:
    """`os.environ`, without the LC_CTYPE that the interpreter added to it."""
    environment = dict(os.environ)
    if "LC_CTYPE" in environment and not _had_lc_ctype():
        del environment["LC_CTYPE"]
    return environment


def _had_lc_ctype() -> bool:
    try:
        entries = _AT_START.read_bytes().split(b"\0")
    except OSError:  # there is no /proc: assume that the caller has set it
        return True
    return any(entry.startswith(b"LC_CTYPE=") for entry in entries)
