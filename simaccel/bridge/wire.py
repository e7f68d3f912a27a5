"""The wire protocol between a client and the device process: messages, and the layout of the shared memory.

`provider/wire.h` says the same in C and explains it. `tests/bridge/test_bridge_wire.py` compares the two.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

MAGIC = 0x414D4953  # "SIMA"
VERSION = 2
PAGE_BYTES = 4096
MAX_ENTRIES = 4096
MAX_SLOT_BYTES = 1 << 20
MAX_MEMORY_BYTES = 256 << 20
MAX_MESSAGE_BYTES = 65536


class Message(IntEnum):
    """Types of control messages."""

    HELLO = 1
    WELCOME = 2
    REFUSED = 3
    FORGET = 4
    STAT = 5
    REPORT = 6
    INJECT = 7


class Opcode(IntEnum):
    """What a submission asks the device to do."""

    NULL = 0
    ECHO = 1
    KEY_LOAD = 2
    RSA_SIGN = 3
    RSA_DECRYPT = 4
    ECDSA_SIGN = 5
    ED25519_SIGN = 6
    X25519 = 7
    SESSION_OPEN = 8
    CALL = 9
    ML_DSA_44_SIGN = 10
    ML_DSA_65_SIGN = 11
    ML_DSA_87_SIGN = 12
    ML_KEM_768_DECAPSULATE = 13
    ML_KEM_1024_DECAPSULATE = 14


class CompletionStatus(IntEnum):
    """How a completion ended."""

    OK = 0
    FAILED = -1
    INVALID = -2
    NO_KEY = -3
    UNSUPPORTED = -4
    TOO_LONG = -5
    RESET = -6
    WAKE = 1
    """No completion: the operation goes on, and whoever waits for it is woken all the same. Only a device that tests a
    program sends this, and only to the provider."""


class Padding(IntEnum):
    """The RSA paddings that the device can do."""

    PKCS1 = 1
    OAEP = 4
    PSS = 6


class Digest(IntEnum):
    """Digests by number. NONE means that the input is padded as it is."""

    NONE = 0
    SHA1 = 1
    SHA224 = 2
    SHA256 = 3
    SHA384 = 4
    SHA512 = 5
    SHA512_224 = 6
    SHA512_256 = 7
    SHA3_224 = 8
    SHA3_256 = 9
    SHA3_384 = 10
    SHA3_512 = 11


CHECKSUM = 1
"""A flag of a submission: the output in the slot shall be followed by the CRC-32 of input, aux and output."""

# Page 0: one cache line of 64 bytes for each writer.
AT_MAGIC = 0x000
AT_SQ_TAIL = 0x040
AT_SQ_HEAD = 0x080
AT_CQ_TAIL = 0x0C0
AT_CQ_HEAD = 0x100
AT_SLEEPING = 0x140
AT_NO_INTERRUPT = 0x180
AT_COUNTERS = 0x1C0
AT_CLIENT_COUNTED = 0x200
AT_CLIENT_COUNTS = 0x240
AT_SHOWN_NS = 0x480
AT_CLIENT_WAKES = 0x4C0

COUNTS = (
    "offloaded",
    "software",
    "unsupported",
    "pauses",
    "spurious",
    "full",
    "expired",
    "failed",
    "damaged",
    "gone",
    "stray",
    "orphaned",
    "connects",
    "blocked",
)
"""What a client may count about itself, in the order of the words at AT_CLIENT_COUNTS.

`provider/counters.h` says what each of them is. The word at AT_CLIENT_COUNTED has a bit for each count that the client
keeps. It is 0 for a client that keeps none, such as an older one."""

WAKE_BOUNDS_NS: tuple[int, ...] = (
    *(digits * 10**power // 10 for power in range(3, 10) for digits in (10, 12, 15, 20, 25, 30, 40, 50, 60, 80)),
    10_000_000_000,
)
"""The upper bounds of the histogram at AT_CLIENT_WAKES: how long completions waited until the client took them.

One more bucket holds what is longer, and one more word the sum in ns. A client adds one sample whenever it finds
completions: the time since AT_SHOWN_NS, or since it last took some if that was later. It adds nothing if the word at
AT_SHOWN_NS is 0, as an older device leaves it. An older client leaves all words of the histogram 0."""

HEADER = struct.Struct("<IHH")
HELLO = struct.Struct("<IHHIIII")
WELCOME = struct.Struct("<IHHIIIIII")
FORGET = struct.Struct("<IHHII")
SUBMISSION = struct.Struct("<QHHIIIIIIIQ16x")
CALLER = struct.Struct("<Q40xQ8x")
"""Of a submission: the cookie, and a number of the caller that waits for it, 0 if it is not known. For traces alone."""
COMPLETION = struct.Struct("<QiIQQ")
SCHEME = struct.Struct("<HHHxxi4x")
SERIAL = struct.Struct("<Q")
"""The serial of a client, in a STAT that asks for the next page of a report."""
CHECKSUM_WORD = struct.Struct("<I")


class SubmissionFields(NamedTuple):
    """A submission's fields, in the order in which `SUBMISSION` unpacks them. Offsets are from the memory's start."""

    cookie: int
    operation: int
    flags: int
    key: int
    in_off: int
    in_len: int
    out_off: int
    out_max: int
    aux_off: int
    aux_len: int
    t_submit_ns: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the rings and the slots are in one client's memory. Sizes and offsets are in bytes."""

    entries: int
    slot_bytes: int
    sq_off: int
    cq_off: int
    slots_off: int
    memory_bytes: int

    @classmethod
    def of(cls, entries: int, slot_bytes: int) -> Layout:
        """The layout for this many entries. Raises ValueError, with the reason, if no device allows it."""
        if not 2 <= entries <= MAX_ENTRIES or entries & (entries - 1):
            raise ValueError(f"entries={entries}: use a power of two from 2 to {MAX_ENTRIES}")
        if not 256 <= slot_bytes <= MAX_SLOT_BYTES or slot_bytes % 64:
            raise ValueError(f"slot of {slot_bytes} bytes: use a multiple of 64 from 256 to {MAX_SLOT_BYTES}")
        sq_off = PAGE_BYTES
        cq_off = sq_off + entries * SUBMISSION.size
        slots_off = -(-(cq_off + entries * COMPLETION.size) // PAGE_BYTES) * PAGE_BYTES
        memory_bytes = slots_off + entries * slot_bytes
        if memory_bytes > MAX_MEMORY_BYTES:
            raise ValueError(
                f"{memory_bytes} bytes of memory: use fewer entries or smaller slots (limit {MAX_MEMORY_BYTES})"
            )
        return cls(entries, slot_bytes, sq_off, cq_off, slots_off, memory_bytes)

    @classmethod
    def agreed(cls, entries: int, slot_bytes: int, allowed: int) -> Layout:
        """The layout for a client that asks for this many entries, if the device allows at most `allowed`.

        Raises ValueError as `of` does.
        """
        if entries > MAX_ENTRIES or entries & (entries - 1):
            raise ValueError(f"entries={entries}: use a power of two from 2 to {MAX_ENTRIES}")
        return cls.of(min(entries, allowed), slot_bytes)

    def pack(self) -> tuple[int, int, int, int, int, int]:
        """The fields, in their order in the welcome message and on page 0."""
        return (self.entries, self.slot_bytes, self.sq_off, self.cq_off, self.slots_off, self.memory_bytes)


def message(kind: Message, body: bytes = b"") -> bytes:
    """A control message of that kind with that body."""
    return HEADER.pack(MAGIC, VERSION, kind) + body


def hello(entries: int, slot_bytes: int) -> bytes:
    """The first message of a client, which asks for memory of its own."""
    return HELLO.pack(MAGIC, VERSION, Message.HELLO, entries, slot_bytes, 0, 0)


def welcome(layout: Layout) -> bytes:
    """The device's answer. Three fds are sent along: memfd, doorbell (an eventfd), and interrupt (an epoll)."""
    return WELCOME.pack(MAGIC, VERSION, Message.WELCOME, *layout.pack())


def stat(first: int = 0) -> bytes:
    """Asks for a report. Unless `first` is 0, asks for its next page: the clients from that serial on."""
    return message(Message.STAT, SERIAL.pack(first) if first else b"")


def forget(key: int) -> bytes:
    """Tells the device that the client does not use a key or session any more."""
    return FORGET.pack(MAGIC, VERSION, Message.FORGET, key, 0)


def socket_address(name: str) -> str:
    """The address to bind or connect to, from a path or from @ and an abstract name.

    Raises ValueError if the kernel can't take it: if it is empty, has a zero byte, or is longer than 107 bytes.
    """
    if not name or name == "@" or "\0" in name:
        raise ValueError(f"socket {name!r}: give a path, or @ and a name")
    # sun_path has 108 bytes. One of them is a zero: before an abstract name, or after a path.
    if len(name.encode()) > 107 + name.startswith("@"):
        raise ValueError(f"socket {name!r} is too long: 107 bytes at most")
    return "\0" + name[1:] if name.startswith("@") else name
