"""Finds eventfds and pipes that pile up outside of wait contexts, as with an engine that opens one for each operation
and never closes it."""

from __future__ import annotations

import os
from collections.abc import Collection

from simaccel.testing.misuse.fd_identity import Identity, identity

MANY = 8
"""This many more than before are reported. One or two may belong to an event loop or to a cache."""


class LooseFds:
    """Remembers which fds were open when this object was made."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = _open_now()

    def piled_up(self, known: Collection[int]) -> str | None:
        """The message about the fds that were opened since, or None if there are few. `known`: the fds that belong to
        wait contexts."""
        more = sorted(fd for fd, found in _open_now().items() if fd not in known and self._before.get(fd) != found)
        if len(more) < MANY:
            return None
        shown = ", ".join(map(str, more[:MANY])) + (", ..." if len(more) > MANY else "")
        return (
            f"{len(more)} eventfds and pipes that were opened meanwhile are still open, and no wait context knows of "
            f"them: {shown}; close each when its operation is over"
        )


def _open_now() -> dict[int, Identity | None]:
    found: dict[int, Identity | None] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # it is the fd of the listing itself, or another thread has closed it
            continue
        if target.startswith(("anon_inode:[eventfd]", "pipe:")):
            found[int(name)] = identity(int(name))
    return found
