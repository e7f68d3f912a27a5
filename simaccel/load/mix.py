"""What arrives: transactions, each a sequence of operations, in given proportions.

A single operation is a transaction of one step. A handshake has several steps. As in a TLS server, each step begins
when the one before is answered. A mix may contain names of handshakes and of operations.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import accumulate
from random import Random

from sim.errors import UsageError
from sim.kernels import Kernels

BULK_BYTES, MESSAGE_BYTES = 16_384, 256
"""The size of a payload if none is given: a full TLS record, or a message to be signed."""

SHORT_NAMES = {"aes-gcm": "aes-gcm-encrypt", "chacha20-poly1305": "chacha20-poly1305-encrypt"}
"""Short names, and the kernel that each usually stands for."""

_SIZES = {"B": 1, "kB": 1_000, "KiB": 1 << 10, "MB": 1_000_000, "MiB": 1 << 20}
_SIZE = re.compile(r"([0-9]{1,9})\s*(B|kB|KiB|MB|MiB)")
_WEIGHT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?|\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a transaction."""

    op: str
    size_bytes: int

    def __str__(self) -> str:
        usual = self.size_bytes == _usual_bytes(self.op)
        return self.op if usual else f"{self.op}:{self.size_bytes}B"


@dataclass(frozen=True, slots=True)
class Transaction:
    """Steps, one after the other."""

    name: str
    steps: tuple[Step, ...]


def _usual_bytes(op: str) -> int:
    return MESSAGE_BYTES if Kernels().get(op).asymmetric else BULK_BYTES


def parse_step(text: str) -> Step:
    """An operation, and the size of its payload if it is not the usual one: `aes-gcm:1kB`. Raises UsageError."""
    name, colon, size = text.strip().partition(":")
    op = SHORT_NAMES.get(name.strip(), name.strip())
    known = Kernels().by_name
    if op not in known:
        names = [*HANDSHAKES, *SHORT_NAMES, *known]
        close = get_close_matches(op, names, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"no operation or handshake {name.strip()!r}: {guess}there are {', '.join(names)}")
    if not colon:
        return Step(op, _usual_bytes(op))
    match = _SIZE.fullmatch(size.strip())
    if match is None:
        raise UsageError(f"size {size!r} of {name}: use bytes with a unit of {', '.join(_SIZES)}, such as {name}:1kB")
    return Step(op, int(match[1]) * _SIZES[match[2]])


def _handshake(name: str, *ops: str) -> Transaction:
    return Transaction(name, tuple(Step(op, MESSAGE_BYTES) for op in ops))


HANDSHAKES: Mapping[str, Transaction] = {
    made.name: made
    for made in (
        # What a server with the provider offloads, in its order. In TLS 1.3 the shared secret comes first, and then
        # CertificateVerify is signed, with PSS for an RSA key. In TLS 1.2 the server signs its key exchange first, and
        # derives the secret when the client has answered. The time until that answer is left out.
        # With ML-DSA the group is X25519MLKEM768. The server encapsulates in software, and X25519 is done as in others.
        _handshake("tls13-rsa2048", "x25519", "rsa-sign-pss"),
        _handshake("tls13-ecdsa-p256", "x25519", "ecdsa-sign"),
        _handshake("tls13-ed25519", "x25519", "ed25519-sign"),
        _handshake("tls13-ml-dsa-44", "x25519", "ml-dsa-44-sign"),
        _handshake("tls13-ml-dsa-65", "x25519", "ml-dsa-65-sign"),
        _handshake("tls13-ml-dsa-87", "x25519", "ml-dsa-87-sign"),
        _handshake("tls12-ecdhe-rsa2048", "rsa-sign", "x25519"),
        _handshake("tls12-ecdhe-ecdsa-p256", "ecdsa-sign", "x25519"),
    )
}
"""The handshakes that have a name."""


def parse_transaction(text: str) -> Transaction:
    """The name of a handshake, an operation, or operations with + between: `x25519+rsa-sign-pss`. Raises UsageError."""
    name = text.strip()
    if name in HANDSHAKES:
        return HANDSHAKES[name]
    steps = tuple(parse_step(part) for part in name.split("+"))
    return Transaction("+".join(map(str, steps)), steps)


@dataclass(frozen=True, slots=True)
class Mix:
    """Transactions and their weights: how often each comes, compared with the others."""

    weights: Mapping[Transaction, float]

    def __post_init__(self) -> None:
        if not self.weights or not sum(self.weights.values()) > 0:
            raise UsageError(f"mix {self.spec!r}: it is empty; give at least one, such as rsa-sign=1,aes-gcm=20")

    @property
    def spec(self) -> str:
        """Its text form."""
        return ",".join(f"{one.name}={weight:g}" for one, weight in self.weights.items())

    @property
    def transactions(self) -> tuple[Transaction, ...]:
        """In the order in which they were given."""
        return tuple(self.weights)

    def shares(self) -> dict[Step, float]:
        """How many of each operation there are for one transaction, on average."""
        whole = sum(self.weights.values())
        shares: dict[Step, float] = {}
        for transaction, weight in self.weights.items():
            for step in transaction.steps:
                shares[step] = shares.get(step, 0.0) + weight / whole
        return shares

    def draw(self, count: int, rng: Random) -> Sequence[int]:
        """The numbers of the transactions for `count` arrivals. Calls `random()` once for each, unless there is only
        one transaction."""
        if len(self.weights) == 1:
            return bytes(count)
        bounds = list(accumulate(self.weights.values()))
        whole, last, draw = bounds[-1], len(bounds) - 1, rng.random
        return [min(bisect(bounds, draw() * whole), last) for _ in range(count)]

    def __hash__(self) -> int:
        return hash(self.spec)


def parse_mix(text: str) -> Mix:
    """`rsa-sign=1,x25519=1,aes-gcm=20`: names, and how often each comes. The default is 1. Raises UsageError."""
    weights: dict[Transaction, float] = {}
    for part in text.split(","):
        name, equals, weight = part.partition("=")
        if not name.strip():
            raise UsageError(f"mix {text!r}: it is empty, or has two commas in a row; write rsa-sign=1,aes-gcm=20")
        if equals and not _WEIGHT.fullmatch(weight.strip()):
            raise UsageError(f"mix {text!r}: {weight!r} is no weight; use a number, 0 or more, such as {name}=20")
        transaction = parse_transaction(name)
        if transaction in weights:
            raise UsageError(f"mix {text!r}: {transaction.name} is there twice; add its weights")
        weights[transaction] = float(weight) if equals else 1.0
    return Mix(weights)


def parse_handshake(text: str) -> Mix:
    """A load of one transaction alone: the name of a handshake, or its operations with + between. Raises UsageError."""
    if "=" in text or "," in text:
        raise UsageError(f"handshake {text!r}: give one, such as tls13-rsa2048 or x25519+rsa-sign; a mix has weights")
    return Mix({parse_transaction(text): 1.0})
