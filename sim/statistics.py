"""What a device counts, and the snapshot of it that answers 'why is this slow'."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sim.request import Submittable

SAMPLES = 4_096
"""How many of the latest requests the percentiles speak of."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of a time, in ns, over a sample of the last 4,096 requests; all 0 if there were none."""

    p50_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Percentiles:
        """Of any number of ns."""
        if not values:
            return cls(0, 0, 0, 0)
        p50, p99, p999, top = np.percentile(np.asarray(values, dtype=np.int64), [50, 99, 99.9, 100])
        return cls(int(p50), int(p99), int(p999), int(top))


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot. While nothing moves, submitted == completed + failed + orphaned + in_flight."""

    submitted: int
    """Requests that got a slot."""
    completed: int
    """Delivered with a result."""
    failed: int
    """Delivered with an error: the kernel raised, or the device was closed."""
    orphaned: int
    """Completed for nobody: the job was cancelled or its deadline had passed."""
    spurious: int
    """Completions nobody waited for, such as duplicates; in none of the sums."""
    in_flight: int
    high_water: int
    """The most that were ever in flight at once."""
    ring_full: int
    """Submits that found no slot: many mean a ring too small, or a device too slow."""
    time_at_full_ns: int
    doorbells: int
    """How often the doorbell had to wake the device."""
    interrupts: int
    polls: int
    batches: int
    """Visits of the device to its ring that found requests: submitted / batches is the mean batch."""
    batch_sizes: Mapping[int, int]
    """Visits by size: the key n counts those of n to 2n - 1 requests."""
    busy_ns: int
    """Service time handed out to the units so far, over all of them: of two snapshots, tells the use between them."""
    utilisation: float
    """0 to 1: the units' busy time over their time since the start, or since the reset of the statistics."""
    queue: Percentiles
    """From submit to start. Large: too few units. Small, and the operation is slow: look at service."""
    service: Percentiles
    handler_errors: int
    """Completions whose handler raised: reported, and the worker lived on."""
    longest_interrupt_ns: int
    """The longest the device was kept by whoever takes its completions: a callback that blocks shows here."""
    by_op: Mapping[str, int]
    """Delivered and failed requests by operation."""
    faults: Mapping[str, int]
    """Faults met, by kind."""
    late: int = 0
    """Requests that completed later than the timing model says, because their work took longer. In virtual time, where
    work takes no time, there are none; many in real time mean that no time here is the model's."""
    late_ns: int = 0
    """By how much, all of them together."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON: nested dicts of str, int and float."""
        return asdict(self)


class Counters:
    """What the device counts as it goes. Each field has one writer at a time."""

    __slots__ = (
        "batch_sizes",
        "batches",
        "busy_ns",
        "by_op",
        "completed",
        "doorbells",
        "failed",
        "full_since_ns",
        "handler_errors",
        "late",
        "late_ns",
        "longest_interrupt_ns",
        "orphaned",
        "polls",
        "queue_samples",
        "ring_full",
        "service_samples",
        "since_ns",
        "spurious",
        "time_at_full_ns",
    )

    def __init__(self, now_ns: int) -> None:
        self.completed = 0
        self.failed = 0
        self.orphaned = 0
        self.spurious = 0
        self.ring_full = 0
        self.time_at_full_ns = 0
        self.full_since_ns: int | None = None
        self.doorbells = 0
        self.polls = 0
        self.batches = 0
        self.batch_sizes: dict[int, int] = {}
        self.busy_ns = 0
        self.handler_errors = 0
        self.longest_interrupt_ns = 0
        self.late = 0
        self.late_ns = 0
        self.by_op: Counter[str] = Counter()
        self.queue_samples: deque[int] = deque(maxlen=SAMPLES)
        self.service_samples: deque[int] = deque(maxlen=SAMPLES)
        self.since_ns = now_ns

    def count_batch(self, size: int) -> None:
        """The device fetched so many requests at once."""
        self.batches += 1
        floor = 1 << (size.bit_length() - 1)
        self.batch_sizes[floor] = self.batch_sizes.get(floor, 0) + 1

    def sample(self, batch: Sequence[Submittable]) -> None:
        """Keep the times of about 16 of a batch, evenly spaced: to keep all would take a twentieth of all time."""
        for request in batch[:: 1 + len(batch) // 16]:
            self.queue_samples.append(request.started_ns - request.submitted_ns)
            self.service_samples.append(request.finished_ns - request.started_ns)
