"""One client's shared memory, from the client's side: what `memory` is for the device."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import suppress
from typing import NamedTuple

from simaccel.bridge.client.welcome import agree
from simaccel.bridge.remote import NoDeviceError, connect
from simaccel.bridge.wire import (
    AT_CLIENT_COUNTED,
    AT_CLIENT_COUNTS,
    AT_CQ_HEAD,
    AT_CQ_TAIL,
    AT_SLEEPING,
    AT_SQ_TAIL,
    COMPLETION,
    COUNTS,
    SUBMISSION,
)

_WORD_BYTES = 8


class Completion(NamedTuple):
    """An entry of the completion ring."""

    cookie: int
    status: int
    out_len: int
    started_ns: int
    finished_ns: int


class SharedRings:
    """A connection with its rings and slots. `submit` and `reap` each want one thread at a time."""

    def __init__(self, name: str, entries: int, slot_bytes: int, trusted: tuple[int, ...] = ()) -> None:
        """Connects. The device must be root's, our own or that of a `trusted` uid; it may give fewer entries.

        Raises UsageError for a name that can't be, ValueError for sizes that can't be, NoDeviceError if there is no
        device or it can't be right.
        """
        self.control = connect(name, trusted=trusted)
        try:
            welcome = agree(self.control, name, entries, slot_bytes)
        except BaseException:
            self.control.close()
            raise
        self.layout = welcome.layout
        self.doorbell = welcome.doorbell
        self._interrupt = welcome.interrupt
        self._mapping = welcome.mapping
        self.bytes = memoryview(self._mapping)
        self._words = self.bytes.cast("Q")
        self._sq_tail = 0
        self._cq_head = 0
        self._fence = threading.Lock()

    @property
    def interrupt(self) -> int:
        """An fd that is readable when the device has interrupted, until that is acknowledged."""
        return self._interrupt.fileno()

    def acknowledge(self) -> None:
        """The interrupt was seen. Does not block."""
        self._interrupt.poll(0, 1)

    def slot(self, index: int) -> int:
        """Where a slot begins."""
        return self.layout.slots_off + index * self.layout.slot_bytes

    def submit(self, *fields: int) -> None:
        """One submission, in the order of the wire's fields."""
        at = self.layout.sq_off + (self._sq_tail & (self.layout.entries - 1)) * SUBMISSION.size
        SUBMISSION.pack_into(self.bytes, at, *fields)
        self._sq_tail += 1
        self._words[AT_SQ_TAIL // _WORD_BYTES] = self._sq_tail

    def ring_doorbell(self) -> bool:
        """Wakes the device if it sleeps; whether it did."""
        # The device stores 'sleeping' and then looks at the tail, we the other way round: a fence is between, a lock's.
        with self._fence:
            pass
        if not self._words[AT_SLEEPING // _WORD_BYTES]:
            return False
        with suppress(BlockingIOError):  # a counter that is full is readable anyway
            os.eventfd_write(self.doorbell, 1)
        return True

    def hang_up(self) -> None:
        """Ends the connection for both sides, as whoever waits for the socket sees. Does not block."""
        with suppress(OSError):  # the device was faster
            self.control.shutdown(socket.SHUT_RDWR)

    @property
    def reaped(self) -> int:
        """How many completions were reaped so far."""
        return self._cq_head

    def reap(self, quota: int = 0) -> list[Completion]:
        """At most `quota` completions, 0 for all."""
        entries = self.layout.entries
        waiting = self._words[AT_CQ_TAIL // _WORD_BYTES] - self._cq_head
        if not 0 <= waiting <= entries:
            raise NoDeviceError("the device's completion index runs wild")
        taken = []
        for _ in range(min(waiting, quota) if quota else waiting):
            at = self.layout.cq_off + (self._cq_head & (entries - 1)) * COMPLETION.size
            taken.append(Completion(*COMPLETION.unpack_from(self.bytes, at)))
            self._cq_head += 1
        self._words[AT_CQ_HEAD // _WORD_BYTES] = self._cq_head
        return taken

    def tell(self, **counts: int) -> None:
        """Tells the device what we count about ourselves, by names of `wire.COUNTS`."""
        for name, value in counts.items():
            bit = COUNTS.index(name)
            self._words[AT_CLIENT_COUNTS // _WORD_BYTES + bit] = value
            self._words[AT_CLIENT_COUNTED // _WORD_BYTES] |= 1 << bit

    def unmap(self) -> None:
        """Gives the memory back: nobody may look at it any more. Not in the child of a fork, where it is not mapped."""
        self._words.release()
        self.bytes.release()
        self._mapping.close()

    def close(self) -> None:
        """Ends the connection; the device frees what it has of ours."""
        os.close(self.doorbell)
        self._interrupt.close()
        self.control.close()
