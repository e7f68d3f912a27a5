"""What Linux offers so that `simaccel certify` leaves no process behind, however it ends."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """Make the kernel kill this process when its parent ends. Call it in the child of a fork."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent has ended before that call
        os._exit(1)


def adopt_orphans() -> None:
    """Make descendants whose parent ends children of this process, and not of init."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def keep_only(*fds: int) -> None:
    """Close all fds but these and the standard streams.

    The child of a fork has copies of its parent's sockets. While such a copy is open, a connection does not end when
    the parent closes it.
    """
    low = 3
    for fd in sorted(fds):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, os.sysconf("SC_OPEN_MAX"))


def descendants(pid: int) -> list[int]:
    """The pids of its children, their children, and so on, without those that have ended and wait to be reaped."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in _children(waiting.pop()):
            waiting.append(child)
            if not _is_zombie(child):
                found.append(child)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                children += map(int, file.read().split())
    except OSError:  # it has ended
        pass
    return children


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
