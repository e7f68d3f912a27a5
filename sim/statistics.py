"""What a device counts as it runs, and the snapshot that users get."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from hotpath.submittable import Submittable

SAMPLES = 4_096
"""How many samples the percentiles are taken from: the latest ones."""


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a time in ns, over the last 4,096 samples; all 0 if there are none."""

    p50_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Percentiles:
        """The percentiles of these times. What lies between two times is interpolated, and rounded down."""
        if not values:
            return cls(0, 0, 0, 0)
        # Without numpy, which takes longer to import than all the rest of this package.
        ordered = sorted(values)
        return cls(*(_per_mille(ordered, share) for share in (500, 990, 999, 1000)))


def _per_mille(ordered: Sequence[int], share: int) -> int:
    """The time that `share` of 1,000 times do not exceed."""
    place, rest = divmod(share * (len(ordered) - 1), 1000)
    low = ordered[place]
    return low + (ordered[place + 1] - low) * rest // 1000 if rest else low


@dataclass(frozen=True, slots=True)
class Statistics:
    """A snapshot. While no request moves, submitted == completed + failed + orphaned + in_flight."""

    submitted: int
    """Requests that got a slot."""
    completed: int
    """Delivered with a result."""
    failed: int
    """Delivered with an error: the kernel raised, or the device was closed."""
    orphaned: int
    """Completed for nobody: the job was cancelled or its deadline had passed."""
    spurious: int
    """Completions that nobody waited for. Duplicates are among them, and only here, because they had no slot."""
    in_flight: int
    high_water: int
    """The most that were ever in flight at once."""
    ring_full: int
    """Submits that found no slot. If there are many, the ring is too small or the device too slow."""
    time_at_full_ns: int
    doorbells: int
    """How often the doorbell had to wake the device."""
    interrupts: int
    polls: int
    batches: int
    """How often the device fetched requests from its ring. submitted / batches is the mean size of a batch."""
    batch_sizes: Mapping[int, int]
    """Batches by size: the value for key n is the number of batches of n to 2n - 1 requests."""
    busy_ns: int
    """The sum of all service times so far. Two snapshots tell how busy the units were between them."""
    utilisation: float
    """The part of the time since the start in which the units were busy, from 0 to 1."""
    queue: Percentiles
    """The time from submit to start. If it is large, there are too few units."""
    service: Percentiles
    """The time from start to completion. If it is large, the operation itself is slow."""
    handler_errors: int
    """How often a handler of a completion, or another function that the device calls, raised. Each is also reported."""
    longest_interrupt_ns: int
    """The time that the longest interrupt took. A callback that blocks the device shows up here."""
    by_op: Mapping[str, int]
    """How many requests were delivered or failed, by operation."""
    faults: Mapping[str, int]
    """How many faults requests have met, by kind."""
    late: int = 0
    """Requests that completed later than the timing model says, because their work took longer. In virtual time there
    are none, because work takes no time. If there are many in real time, the times here are not those of the model."""
    late_ns: int = 0
    """The sum of the times by which requests were late."""
    assisted: int = 0
    """Requests whose work was done by a thread that waited, because the accelerator was made with `assist`."""

    def to_dict(self) -> dict[str, Any]:
        """All fields as nested dicts of str, int and float, for JSON."""
        return asdict(self)


class Counters:
    """What a device counts as it runs. Only one thread at a time may write a field."""

    __slots__ = (
        "assisted",
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
        self.assisted = 0
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
        """Count a batch of this size, which the device has fetched."""
        self.batches += 1
        floor = 1 << (size.bit_length() - 1)
        self.batch_sizes[floor] = self.batch_sizes.get(floor, 0) + 1

    def sample(self, batch: Sequence[Submittable]) -> None:
        """Keep the times of about 16 requests of a batch, evenly spaced. To keep all would take 5 % of all time."""
        for request in batch[:: 1 + len(batch) // 16]:
            self.queue_samples.append(request.started_ns - request.submitted_ns)
            self.service_samples.append(request.finished_ns - request.started_ns)
