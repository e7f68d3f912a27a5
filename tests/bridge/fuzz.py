"""Random and hostile clients of a device process: `python -m tests.bridge.fuzz ADDRESS SEED CASES`.

A case is one hostile act: a descriptor with a random field, a wrong index, a control message of random bytes, or a
connection that is cut off. It prints how many acts of each kind there were. The same seed gives the same acts, but the
speed of the device decides how they meet.
"""

from __future__ import annotations

import os
import socket
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

from simaccel.bridge import wire
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.remote import NoDeviceError
from simaccel.bridge.wire import AT_CQ_HEAD, AT_SQ_TAIL, SUBMISSION

SECRET = b"the witness's own secret, in its own slots"
ENTRIES, SLOT_BYTES = 16, 1024
PER_CONNECTION = 40


class Fuzzer:
    """One hostile program."""

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.random = Random(seed)
        self.acts: Counter[str] = Counter()
        self.rings = self._connect()
        self.left = PER_CONNECTION
        self.tail = 0

    def run(self, cases: int) -> Counter[str]:
        """Does this many acts, and returns how many of each kind. Raises AssertionError if it ever sees data of
        others."""
        acts: list[Callable[[], None]] = [self._descriptor] * 12 + [
            self._index,
            self._page_0,
            self._message,
            self._tear,
        ]
        for _ in range(cases):
            act = self.random.choice(acts)
            self.acts[act.__name__.strip("_")] += 1
            with suppress(OSError):
                act()
            self.left -= 1
            if self.left <= 0 or self._is_dropped():
                self._look()
                self.rings.close()
                self.rings = self._connect()
                self.left = PER_CONNECTION
                self.tail = 0
        self.rings.close()
        return self.acts

    def _connect(self) -> SharedRings:
        rings = SharedRings(self.address, ENTRIES, SLOT_BYTES)
        rings.control.setblocking(False)
        return rings

    def _is_dropped(self) -> bool:
        try:
            return self.rings.control.recv(65536) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True

    def _look(self) -> None:
        assert SECRET not in bytes(self.rings.bytes), "another client's memory was seen"

    def _wild(self, bits: int) -> int:
        choice = self.random.randrange(6)
        layout = self.rings.layout
        if choice == 0:
            return self.random.getrandbits(bits)
        if choice == 1:
            return (1 << bits) - 1 - self.random.randrange(4)
        if choice == 2:
            return self.random.randrange(64)
        if choice == 3:
            return (layout.memory_bytes + self.random.randrange(-64, 64)) % (1 << bits)
        return (self.rings.slot(self.random.randrange(ENTRIES)) + self.random.randrange(-8, 64)) % (1 << bits)

    def _descriptor(self) -> None:
        slot = self.rings.slot(self.tail % ENTRIES)
        self.rings.bytes[slot : slot + 64] = self.random.randbytes(64)
        code = self.random.choice([*wire.Opcode, self.random.getrandbits(16)])
        # Well-formed except for one field. If all fields were random, nearly every case would fail at the first check.
        fields = [
            self.tail,
            code,
            self.random.randrange(2),
            self.random.randrange(3),
            slot,
            64,
            slot,
            512,
            slot + 64,
            16,
            0,
        ]
        widths = (64, 16, 16, 32, 32, 32, 32, 32, 32, 32, 64)
        for _ in range(self.random.randrange(3)):
            index = self.random.randrange(len(fields))
            fields[index] = self._wild(widths[index])
        at = self.rings.layout.sq_off + (self.tail % ENTRIES) * SUBMISSION.size
        SUBMISSION.pack_into(self.rings.bytes, at, *fields)
        self.tail += 1
        self._set_word(AT_SQ_TAIL, self.tail)
        os.eventfd_write(self.rings.doorbell, 1)

    def _set_word(self, at: int, value: int) -> None:
        self.rings.bytes[at : at + 8] = (value % 2**64).to_bytes(8, "little")

    def _index(self) -> None:
        self._set_word(self.random.choice([AT_SQ_TAIL, AT_CQ_HEAD]), self._wild(64))
        os.eventfd_write(self.rings.doorbell, 1)

    def _page_0(self) -> None:
        at = self.random.randrange(0, wire.PAGE_BYTES - 8)
        self.rings.bytes[at : at + 8] = self.random.randbytes(8)
        os.eventfd_write(self.rings.doorbell, 1)

    def _message(self) -> None:
        honest = self.random.choice(
            [
                wire.hello(ENTRIES, SLOT_BYTES),
                wire.forget(1),
                wire.message(wire.Message.STAT),
                self.random.randbytes(40),
            ]
        )
        data = bytearray(honest + self.random.randbytes(self.random.randrange(3)))
        if self.random.randrange(2):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
            other.connect(wire.socket_address(self.address))
            other.setblocking(False)
            for peer in (other, self.rings.control):
                peer.send(data[: self.random.randrange(1, len(data) + 1)], socket.MSG_NOSIGNAL)

    def _tear(self) -> None:
        self.left = 0


def main() -> None:
    """Acts, and says how."""
    address, seed, cases = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        print(dict(Fuzzer(address, seed).run(cases)))
    except NoDeviceError as error:
        sys.exit(f"seed {seed}: {error}")


if __name__ == "__main__":
    main()
