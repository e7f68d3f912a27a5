"""Which open file the number of an fd stands for. The system uses numbers again for other files."""

from __future__ import annotations

import os
import select
from collections import Counter

Identity = tuple[object, ...]

closes: Counter[int] = Counter()
"""How often os.close was called with each number, while observers were in place."""


def identity(fd: int) -> Identity | None:
    """A value that tells which file is open under this number: it differs if the number is another file's now. None if
    the fd is not open.

    All eventfds share one inode, and the system also uses the ids of eventfds again. So the value has the number of
    closes in it.
    """
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino, _eventfd_id(fd), closes[fd]


def _eventfd_id(fd: int) -> str | None:
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:
            return next((line for line in info if line.startswith("eventfd-id")), None)
    except OSError:
        return None


def readable(fd: int) -> bool:
    """Whether there is a token in this fd."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in poller.poll(0))
