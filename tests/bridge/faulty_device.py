"""A device that misbehaves: `python -m tests.bridge.faulty_device ADDRESS FAULT`.

Its faults are in what a client sees of the device, not in the device core. A broken or hostile device process could do
the same to the provider.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from random import Random

from simaccel.bridge import wire
from simaccel.bridge.device import connected_client as client_module
from simaccel.bridge.device import server as server_module
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.wire import AT_CQ_TAIL, CompletionStatus

_random = Random(1)
_count = 0

Complete = Callable[[Memory, int, int, int, int, int], None]


def _every(n: int) -> bool:
    global _count
    _count += 1
    return _count % n == 0


def _set_tail(memory: Memory, tail: int) -> None:
    # For good: otherwise the next honest completion would hide it.
    memory.cq_tail = memory.bytes.cast("Q")[AT_CQ_TAIL // 8] = tail


def _wild_index(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, status, length, t0, t1)
    if _every(50):
        _set_tail(memory, _random.getrandbits(63))


def _backward_index(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, status, length, t0, t1)
    if _every(50):
        _set_tail(memory, 1)


def _wrong_cookie(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    # In place of the right one, so the operation is also lost.
    wrong = _random.choice([_random.getrandbits(64), cookie ^ 1, cookie + (1 << 32), cookie - (1 << 32)])
    honest(memory, wrong & (2**64 - 1) if _every(20) else cookie, status, length, t0, t1)


def _wild_length(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, status, _random.getrandbits(32) if _every(3) else length, t0, t1)


def _duplicate(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, status, length, t0, t1)
    if _every(10):
        honest(memory, cookie, status, length, t0, t1)


def _lost(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    if not _every(20):
        honest(memory, cookie, status, length, t0, t1)


def _silent(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    # The first ones are completed, and then nothing ever again.
    global _count
    _count += 1
    if _count <= BEFORE_SILENCE:
        honest(memory, cookie, status, length, t0, t1)


BEFORE_SILENCE = 10


def _late(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    while _kept and _kept[0][4] < t1 - LATE_NS:
        honest(memory, *_kept.pop(0))
    if _every(20):
        _kept.append((cookie, status, length, t0, t1))
    else:
        honest(memory, cookie, status, length, t0, t1)


LATE_NS = 150_000_000
"""Later than the deadline in the tests, 100 ms and a tick."""

_kept: list[tuple[int, int, int, int, int]] = []


def _failed(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, CompletionStatus.FAILED if _every(4) else status, length, t0, t1)


def _unknown_key(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    honest(memory, cookie, CompletionStatus.NO_KEY if _every(4) else status, length, t0, t1)


def _damaged(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    # Anywhere in the slots: inputs, results and checksums of all that is in flight.
    if _every(2):
        first, last = memory.layout.slots_off, memory.layout.memory_bytes
        for slot in range(first, last, memory.layout.slot_bytes):
            memory.bytes[slot + _random.randrange(400)] ^= 1 << _random.randrange(8)
    honest(memory, cookie, status, length, t0, t1)


def _dies(honest: Complete, memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    if _every(50):
        os.kill(os.getpid(), signal.SIGKILL)
    honest(memory, cookie, status, length, t0, t1)


FAULTS = {
    fault.__name__.strip("_"): fault
    for fault in (
        _wild_index,
        _backward_index,
        _wrong_cookie,
        _wild_length,
        _duplicate,
        _lost,
        _silent,
        _late,
        _failed,
        _unknown_key,
        _damaged,
        _dies,
    )
}

WELCOMES: dict[str, Callable[[bytes], bytes]] = {
    "other_version": lambda honest: wire.HEADER.pack(wire.MAGIC, 99, wire.Message.WELCOME) + honest[wire.HEADER.size :],
    "other_magic": lambda honest: b"HTTP" + honest[4:],
    "short_welcome": lambda honest: honest[:12],
    "wild_offsets": lambda honest: honest[:16] + os.urandom(16),
    "larger_memory": lambda honest: honest[:28] + (200 << 20).to_bytes(4, "little"),
    "refusal": lambda honest: wire.message(wire.Message.REFUSED, b"no more clients today"),
}
"""What each of these faults makes of the welcome."""


PLAIN_INTERRUPT = "plain_interrupt"
"""An eventfd is sent where an epoll should be: it would be readable for ever."""


class FaultyMemory(Memory):
    """The device's side of a client's memory, with the fault chosen on the command line."""

    __slots__ = ()
    fault = staticmethod(_failed)

    def complete(self, completions: list[tuple[int, int, int, int, int]]) -> int:
        """Adds completions, or what the fault makes of each."""
        for completion in completions:
            self.fault(_complete_honestly, self, *completion)
        return sum(1 for completion in completions if completion[1])


def _complete_honestly(memory: Memory, cookie: int, status: int, length: int, t0: int, t1: int) -> None:
    Memory.complete(memory, [(cookie, status, length, t0, t1)])


def main() -> None:
    """Serves until SIGTERM."""
    address, fault = sys.argv[1:3]
    if fault in FAULTS:
        FaultyMemory.fault = staticmethod(FAULTS[fault])
        vars(client_module)["Memory"] = FaultyMemory
    elif fault == PLAIN_INTERRUPT:
        vars(client_module)["ConnectedClient"].welcome_fds = property(
            lambda client: [client.memory.fd, client.doorbell, client.endpoint.interrupt]
        )
    else:
        honest = wire.welcome
        vars(wire)["welcome"] = lambda layout: WELCOMES[fault](honest(layout))
    with server_module.Server(address) as server:
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        print(f"serving at {address}", flush=True)
        server.serve()


if __name__ == "__main__":
    main()
