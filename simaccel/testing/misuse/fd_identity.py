"""Which open file an fd number stands for: numbers are used again, files are not."""

from __future__ import annotations

import os
import select
from collections import Counter

Identity = tuple[object, ...]

closes: Counter[int] = Counter()
"""How often each number was given to os.close, as far as observers have seen it."""


def identity(fd: int) -> Identity | None:
    """Equal for the same open file, unequal for another one of that number; None if the fd is not open.

    All eventfds share one inode, and the system uses their ids again as it does numbers, so that the closes count too.
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
    """Whether a token is in it."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    return any(event & select.POLLIN for _, event in poller.poll(0))
