"""The poller says which fds are readable. It uses epoll if the system has it, else poll."""

from __future__ import annotations

import select
from contextlib import suppress


class Poller:
    """A set of fds, watched for reading, level-triggered."""

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._poll = None if self._epoll is not None else select.poll()

    @property
    def fd(self) -> int:
        """The fd of the epoll; -1 if there is none."""
        return -1 if self._epoll is None else self._epoll.fileno()

    def add(self, fd: int) -> None:
        """Watch this fd. Raises OSError if it is not open, FileExistsError if it is watched already."""
        if self._epoll is not None:
            self._epoll.register(fd, select.EPOLLIN)
        else:
            assert self._poll is not None
            self._poll.register(fd, select.POLLIN)

    def remove(self, fd: int) -> None:
        """Stop watching this fd. Does nothing if it was closed meanwhile."""
        with suppress(OSError, KeyError, ValueError):
            (self._epoll or self._poll).unregister(fd)  # type: ignore[union-attr]

    def wait(self, timeout_ns: int | None) -> list[int]:
        """The readable fds. Blocks until there is one or this time is over. 0 does not block, and None is for ever."""
        if self._epoll is not None:
            return [fd for fd, _ in self._epoll.poll(None if timeout_ns is None else timeout_ns / 1e9)]
        assert self._poll is not None
        return [fd for fd, _ in self._poll.poll(None if timeout_ns is None else -(-timeout_ns // 1_000_000))]

    def close(self) -> None:
        """Close the fd of the epoll."""
        if self._epoll is not None:
            self._epoll.close()
