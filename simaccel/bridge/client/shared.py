"""One client's shared memory, from the client's side. The device's side is `device/memory.py`."""

from __future__ import annotations

import os
import socket
import threading
from bisect import bisect_left
from contextlib import suppress
from typing import NamedTuple

from simaccel.bridge.client.welcome import agree
from simaccel.bridge.remote import NoDeviceError, open_control
from simaccel.bridge.wire import (
    AT_CLIENT_COUNTED,
    AT_CLIENT_COUNTS,
    AT_CLIENT_WAKES,
    AT_CQ_HEAD,
    AT_CQ_TAIL,
    AT_SHOWN_NS,
    AT_SLEEPING,
    AT_SQ_TAIL,
    COMPLETION,
    COUNTS,
    SUBMISSION,
    WAKE_BOUNDS_NS,
)

_WORD_BYTES = 8
_SHOWN, _WAKES = AT_SHOWN_NS // _WORD_BYTES, AT_CLIENT_WAKES // _WORD_BYTES


class Completion(NamedTuple):
    """An entry of the completion ring."""

    cookie: int
    status: int
    out_len: int
    started_ns: int
    finished_ns: int


class SharedRings:
    """A connection with its rings and slots. Only one thread at a time may call `submit`, and only one `reap`."""

    def __init__(self, name: str, entries: int, slot_bytes: int, trusted: tuple[int, ...] = ()) -> None:
        """Connects. The device must run as root, as our own user, or as a `trusted` uid. It may give fewer entries.

        Blocks as `remote.open_control` does. Raises UsageError for an invalid name, ValueError for invalid sizes, and
        NoDeviceError if there is no device or if what it sends is wrong.
        """
        self.control = open_control(name, trusted=trusted)
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
        self._shown_ns = self._noted_ns = 0
        self._wakes = [0] * (len(WAKE_BOUNDS_NS) + 2)
        self._fence = threading.Lock()

    @property
    def interrupt(self) -> int:
        """An fd that becomes readable when the device interrupts, and stays so until `acknowledge` is called."""
        return self._interrupt.fileno()

    def acknowledge(self) -> None:
        """Acknowledges the interrupt. Does not block."""
        self._interrupt.poll(0, 1)

    def slot(self, index: int) -> int:
        """The offset of a slot in the memory."""
        return self.layout.slots_off + index * self.layout.slot_bytes

    def submit(self, *fields: int) -> None:
        """Adds one submission to the ring: the fields of `wire.SubmissionFields`, in their order."""
        at = self.layout.sq_off + (self._sq_tail & (self.layout.entries - 1)) * SUBMISSION.size
        SUBMISSION.pack_into(self.bytes, at, *fields)
        self._sq_tail += 1
        self._words[AT_SQ_TAIL // _WORD_BYTES] = self._sq_tail

    def ring_doorbell(self) -> bool:
        """Wakes the device if it sleeps. Returns whether it slept. Raises OSError if the doorbell can't be rung."""
        # The device stores that it sleeps and then loads the tail. We have stored the tail, and now load whether it
        # sleeps. Each side needs a full fence between the two. Taking a lock is one.
        with self._fence:
            pass
        if not self._words[AT_SLEEPING // _WORD_BYTES]:
            return False
        with suppress(BlockingIOError):  # a full counter is readable anyway
            os.eventfd_write(self.doorbell, 1)
        return True

    def hang_up(self) -> None:
        """Ends the connection for both sides, so that a thread that waits for the socket wakes. Does not block."""
        with suppress(OSError):  # the device has done so already
            self.control.shutdown(socket.SHUT_RDWR)

    @property
    def reaped(self) -> int:
        """How many completions have been reaped so far."""
        return self._cq_head

    def reap(self, quota: int = 0) -> list[Completion]:
        """Takes at most `quota` completions, or with 0 all that are there.

        Raises NoDeviceError if the device's index says that there are more than the ring has entries.
        """
        entries = self.layout.entries
        waiting = self._words[AT_CQ_TAIL // _WORD_BYTES] - self._cq_head
        if not 0 <= waiting <= entries:
            raise NoDeviceError("the device's completion index is wrong")
        if waiting:
            # Read before the device can see that these are taken: after that it may write the time of the next ones.
            self._shown_ns = self._words[_SHOWN]
        taken = []
        for _ in range(min(waiting, quota) if quota else waiting):
            at = self.layout.cq_off + (self._cq_head & (entries - 1)) * COMPLETION.size
            taken.append(Completion(*COMPLETION.unpack_from(self.bytes, at)))
            self._cq_head += 1
        self._words[AT_CQ_HEAD // _WORD_BYTES] = self._cq_head
        return taken

    def note_wake(self, now_ns: int) -> None:
        """Adds one sample to the histogram of wake times: that of the last `reap` that found completions.

        The sample is how long those completions had waited. The device reads the histogram for its report.
        """
        # The time that the device wrote may be that of completions that we have taken before, because it writes a new
        # one only after it has seen that we took all. But these completions came after our previous `reap`.
        since_ns, self._noted_ns = max(self._shown_ns, self._noted_ns), now_ns
        if self._shown_ns:
            wake_ns = max(0, now_ns - since_ns)
            # Our own copy, because what the device can write to is never read back.
            wakes, bucket = self._wakes, bisect_left(WAKE_BOUNDS_NS, wake_ns)
            wakes[bucket] += 1
            wakes[-1] += wake_ns
            self._words[_WAKES + bucket] = wakes[bucket]
            self._words[_WAKES + len(wakes) - 1] = wakes[-1]

    def tell(self, **counts: int) -> None:
        """Tells the device what we count about ourselves. The names are those of `wire.COUNTS`."""
        for name, value in counts.items():
            bit = COUNTS.index(name)
            self._words[AT_CLIENT_COUNTS // _WORD_BYTES + bit] = value
            self._words[AT_CLIENT_COUNTED // _WORD_BYTES] |= 1 << bit

    def unmap(self) -> None:
        """Unmaps the memory, which must not be used after that. Not for the child of a fork, where it is not mapped."""
        self._words.release()
        self.bytes.release()
        self._mapping.close()

    def close(self) -> None:
        """Closes all fds. The device sees the end and frees what it has of ours."""
        os.close(self.doorbell)
        self._interrupt.close()
        self.control.close()
