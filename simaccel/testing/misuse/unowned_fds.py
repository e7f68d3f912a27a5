"""Eventfds and pipes that no wait context knows of: an engine that opens one for each operation and never closes it."""

from __future__ import annotations

import os
from collections.abc import Collection

from simaccel.testing.misuse.fd_identity import Identity, identity

MANY = 8
"""So many more than before are no accident: one or two may be an event loop's own, or a cache."""


class LooseFds:
    """Remembers what was open when it was made."""

    __slots__ = ("_before",)

    def __init__(self) -> None:
        self._before = _open_now()

    def piled_up(self, known: Collection[int]) -> str | None:
        """The message about fds opened since; None if there are few. `known`: fds that belong to wait contexts."""
        more = sorted(fd for fd, found in _open_now().items() if fd not in known and self._before.get(fd) != found)
        if len(more) < MANY:
            return None
        shown = ", ".join(map(str, more[:MANY])) + (", ..." if len(more) > MANY else "")
        return (
            f"{len(more)} eventfds and pipes that were opened meanwhile are still open, and no wait context knows of "
            f"them: {shown}; close each when what it tells of is over"
        )


def _open_now() -> dict[int, Identity | None]:
    found: dict[int, Identity | None] = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:  # that of the listing itself, or one that another thread has closed
            continue
        if target.startswith(("anon_inode:[eventfd]", "pipe:")):
            found[int(name)] = identity(int(name))
    return found
