"""The processes that a process of ours has started, however they were started.

A program may fork, fork again, and let the process in between end. The kernel then gives the orphan to the nearest
ancestor that has asked for orphans, and to init if there is none. So a process that asks for them stays the ancestor of
everything that comes from it.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GENERATIONS_MOST = 1_000
"""A chain of parents that is longer changes while we read it."""


def adopt_orphans() -> None:
    """From now on, orphans among our descendants become our children, which we have to wait for."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def end_with_parent(number: int) -> None:
    """This process gets signal `number` when its parent's main thread ends. An exec keeps this."""
    _prctl(PR_SET_PDEATHSIG, number)


def is_descendant(pid: int) -> bool:
    """Whether the process comes from this one, and still runs. False if /proc does not tell."""
    ours = os.getpid()
    for _ in range(GENERATIONS_MOST):
        parent = _parent_of(pid)
        if parent == ours:
            return True
        if parent <= 1:
            return False
        pid = parent
    return False


def _parent_of(pid: int) -> int:
    """0 if there is none, or it is not known."""
    try:
        # The name of the program stands in parentheses, and may itself hold some.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[1])
    except (OSError, IndexError, ValueError):
        return 0


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
