"""One client's shared memory, from the device's side: a sealed memfd with both rings and the slots.

The client can write to all of it at any time. So what the client writes is read only once and then checked, and we keep
our own indices and never read them back. The order of stores matters: an entry must be complete before the index that
shows it. CPython does not reorder stores, and x86-64 does not either. On a machine that does, a fence would be needed
before each index.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from time import monotonic_ns

from simaccel.bridge.wire import (
    AT_CLIENT_COUNTED,
    AT_CLIENT_COUNTS,
    AT_CLIENT_WAKES,
    AT_COUNTERS,
    AT_CQ_HEAD,
    AT_CQ_TAIL,
    AT_MAGIC,
    AT_NO_INTERRUPT,
    AT_SHOWN_NS,
    AT_SLEEPING,
    AT_SQ_HEAD,
    AT_SQ_TAIL,
    CALLER,
    COMPLETION,
    COUNTS,
    MAGIC,
    SUBMISSION,
    VERSION,
    WAKE_BOUNDS_NS,
    Layout,
)

_PAGE_0 = struct.Struct("<IIIIIIII")
_WORD_BYTES = 8
_COMPLETION_BYTES = COMPLETION.size
_TAKEN, _SHOWN = AT_CQ_HEAD // _WORD_BYTES, AT_SHOWN_NS // _WORD_BYTES
_WAKES = AT_CLIENT_WAKES // _WORD_BYTES
_WAKES_END = _WAKES + len(WAKE_BOUNDS_NS) + 2


class Violation(Exception):
    """The client broke the protocol, so its connection must end."""


class Memory:
    """Both rings and the slots of a client. Belongs to the server's thread, except `complete` and `mapping`.

    `complete` may be called by any thread that holds the endpoint's lock. `mapping` is all of the memory: any thread
    may write a result to the slots of a request that it works on. `bytes` is the same as a memoryview. Copying a part
    of `mapping` takes a third of the time.
    """

    __slots__ = ("_mask", "_words", "bytes", "callers", "cq_tail", "fd", "layout", "mapping", "sq_head")

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._mask = layout.entries - 1
        self.sq_head = 0
        self.cq_tail = 0
        self.callers: dict[int, int] | None = None
        """Who waits for the requests that `fetch` returned last, by cookie. Kept only if somebody sets it to a dict."""
        self.fd = os.memfd_create("simaccel", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            os.ftruncate(self.fd, layout.memory_bytes)
            # Sealed, so that no side can shrink it: the other side would get a SIGBUS.
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
            self.mapping = mmap.mmap(self.fd, layout.memory_bytes)
        except BaseException:
            os.close(self.fd)
            raise
        self.mapping.madvise(mmap.MADV_DONTDUMP)  # key material passes through
        self.bytes = memoryview(self.mapping)
        self._words = self.bytes.cast("Q")
        _PAGE_0.pack_into(self.bytes, AT_MAGIC, MAGIC, VERSION, *layout.pack())

    def fetch(self, limit: int, outstanding: int) -> list[tuple[int, ...]]:
        """At most `limit` submissions, the oldest first, each read once: the fields of `wire.SUBMISSION` in its order.

        Raises Violation if the client's index is wrong, so that it would have more in flight than its ring has entries.
        """
        head, entries = self.sq_head, self.layout.entries
        waiting = self._words[AT_SQ_TAIL // _WORD_BYTES] - head
        if not waiting:
            return []
        if not 0 < waiting <= entries - outstanding:
            raise Violation(f"{waiting} submissions with {outstanding} in flight in a ring of {entries}")
        count = min(waiting, limit)
        first = head & self._mask
        if self.callers is not None:
            self.callers.clear()
        batch = list(self._unpack(first, min(count, entries - first)))
        if len(batch) < count:
            batch += self._unpack(0, count - len(batch))
        self.sq_head = self._words[AT_SQ_HEAD // _WORD_BYTES] = head + count
        return batch

    def _unpack(self, first: int, count: int) -> Iterator[tuple[int, ...]]:
        at = self.layout.sq_off + first * SUBMISSION.size
        # A copy, because the client may write while this is read.
        copied = self.mapping[at : at + count * SUBMISSION.size]
        if self.callers is not None:
            self.callers.update(CALLER.iter_unpack(copied))
        return SUBMISSION.iter_unpack(copied)

    @property
    def waiting(self) -> int:
        """How many submissions were not fetched yet, according to the client. It may be any number."""
        return self._words[AT_SQ_TAIL // _WORD_BYTES] - self.sq_head

    def has_submissions(self) -> bool:
        """Whether there are submissions that were not fetched yet."""
        return self._words[AT_SQ_TAIL // _WORD_BYTES] != self.sq_head

    def read(self, offset: int, length: int) -> bytes:
        """A copy of a part of the slots. Raises Violation if it does not lie within them."""
        if not length:
            return b""
        self.check(offset, length)
        return self.mapping[offset : offset + length]

    def take_secret(self, offset: int, length: int) -> bytearray:
        """Copies a part of the slots, and wipes that part. The caller can wipe the copy. Raises as `read` does."""
        self.check(offset, length)
        secret = bytearray(self.bytes[offset : offset + length])
        self.bytes[offset : offset + length] = bytes(length)
        return secret

    def check(self, offset: int, length: int) -> None:
        """Raises Violation unless `length` bytes at that offset are inside of the slots."""
        if offset < self.layout.slots_off or offset + length > self.layout.memory_bytes:
            raise Violation(f"{length} bytes at {offset} are outside of the slots")

    def complete(self, completions: list[tuple[int, int, int, int, int]]) -> int:
        """Adds completions and shows all of them at once. Returns how many of them say that they failed.

        There is always room, because no more is outstanding than the ring has entries.
        """
        pack_into, view, mask = COMPLETION.pack_into, self.bytes, self._mask
        cq_off, tail, failed = self.layout.cq_off, self.cq_tail, 0
        if self._words[_TAKEN] == tail:
            self._words[_SHOWN] = monotonic_ns()
        for completion in completions:
            pack_into(view, cq_off + (tail & mask) * _COMPLETION_BYTES, *completion)
            tail += 1
            if completion[1]:
                failed += 1
        self.cq_tail = self._words[AT_CQ_TAIL // _WORD_BYTES] = tail
        return failed

    @property
    def unread(self) -> int:
        """How many completions the client has not taken yet. It says so itself, and may say any number."""
        return self.cq_tail - self._words[_TAKEN]

    @property
    def wants_interrupts(self) -> bool:
        """Whether the client does not poll."""
        return not self._words[AT_NO_INTERRUPT // _WORD_BYTES]

    def set_sleeping(self, sleeping: bool) -> None:
        """Tells the client whether it must ring the doorbell."""
        self._words[AT_SLEEPING // _WORD_BYTES] = sleeping

    def count(self, submitted: int, completed: int, failed: int) -> None:
        """Writes the counters. They are in the client's memory, so they can be read after the device was killed."""
        at = AT_COUNTERS // _WORD_BYTES
        self._words[at], self._words[at + 1], self._words[at + 2] = submitted, completed, failed

    def client_counts(self) -> dict[str, int]:
        """What the client has counted about itself since it connected. It need not count everything.

        These may be any numbers, so nothing in the device may depend on them.
        """
        kept, at = self._words[AT_CLIENT_COUNTED // _WORD_BYTES], AT_CLIENT_COUNTS // _WORD_BYTES
        return {name: self._words[at + bit] for bit, name in enumerate(COUNTS) if kept >> bit & 1}

    def client_wakes(self) -> list[int]:
        """The client's histogram of `wire.WAKE_BOUNDS_NS`, and its sum. They may be any numbers: see `wake_times`."""
        return self._words[_WAKES:_WAKES_END].tolist()

    def close_fd(self) -> None:
        """Called after the welcome: the mapping is enough from then on."""
        os.close(self.fd)
