"""What is to be done: operations on generated data, or on the blocks of files."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from simaccel.cli.workload.files import Block
from simaccel.cli.workload.software import Prepared, SoftwareOperation, draw_bytes

ROUND_OPERATIONS, ROUND_BYTES = 4_096, 64 << 20
"""The most work of one round. A round is prepared, then done and measured, then checked. So the memory is bounded: it
holds the payloads and results of one round, which are about twice ROUND_BYTES."""


@dataclass(frozen=True, slots=True)
class Work:
    """One operation to be done."""

    op: str
    request: Prepared
    origin: str
    """What it was made of, for messages."""

    def __str__(self) -> str:
        return f"{self.op} of {self.origin}"


def generated(kinds: Sequence[SoftwareOperation], count: int, rng: random.Random) -> Iterator[Work]:
    """This many operations, with the kinds in turn, on data of random size. The size may be 0 bytes."""
    for number, kind in enumerate(islice(cycle(kinds), count), 1):
        # Not randrange: its draws may change from one version of Python to the next.
        data = draw_bytes(rng, int(rng.random() * (kind.generated_bytes + 1)))
        yield Work(kind.op, kind.prepare(data, rng), f"{len(data):,} random bytes, number {number:,}")


def from_blocks(kinds: Sequence[SoftwareOperation], blocks: Iterable[Block], rng: random.Random) -> Iterator[Work]:
    """Each block through each kind."""
    for block in blocks:
        for kind in kinds:
            yield Work(kind.op, kind.prepare(block.data, rng), str(block))


def rounds(work: Iterable[Work]) -> Iterator[list[Work]]:
    """The work in portions that fit into memory."""
    batch: list[Work] = []
    size_bytes = 0
    for item in work:
        batch.append(item)
        size_bytes += len(item.request.payload)
        if len(batch) >= ROUND_OPERATIONS or size_bytes >= ROUND_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch
