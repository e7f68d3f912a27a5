"""The statistics of a fleet: of each member, and in sum."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sim.statistics import SAMPLES, Percentiles, Statistics
from simaccel.fleet.member import Member


@dataclass(frozen=True, slots=True)
class MemberStatistics:
    """What is known of one member."""

    name: str
    up: bool
    why_down: str
    downs: int
    ups: int
    """How often it came back."""
    failovers: int
    """Requests that were given to another member after this one had them."""
    device: Statistics | None
    """What it counts itself, with probes and failed attempts. None if it has no accelerator now."""


@dataclass(frozen=True, slots=True)
class FleetStatistics:
    """A snapshot."""

    total: Statistics
    """What owners saw: each request once, however many members had it. All other counts are sums over the members."""
    members: tuple[MemberStatistics, ...]
    failovers: int

    def to_dict(self) -> dict[str, Any]:
        """All of it, for JSON."""
        return asdict(self)


class FleetCounters:
    """What a fleet counts. Guarded by its lock."""

    def __init__(self) -> None:
        self.submitted = self.completed = self.failed = self.orphaned = self.spurious = 0
        self.in_flight = self.high_water = self.ring_full = 0
        self.by_op: Counter[str] = Counter()
        self.queue: deque[int] = deque(maxlen=SAMPLES)
        self.service: deque[int] = deque(maxlen=SAMPLES)

    def begin(self) -> None:
        """A request was taken."""
        self.submitted += 1
        self.in_flight += 1
        if self.in_flight > self.high_water:
            self.high_water = self.in_flight

    def undo_begin(self) -> None:
        """It was not taken after all."""
        self.submitted -= 1
        self.in_flight -= 1

    def end(self, request: Any) -> None:
        """A request is over. It is about to be handed to its owner, if the owner still wants it."""
        self.in_flight -= 1
        self.by_op[request.op] += 1
        if request.error is not None:
            self.failed += 1
        else:
            self.completed += 1
        self.queue.append(request.started_ns - request.submitted_ns)
        self.service.append(request.finished_ns - request.started_ns)

    def answer(self, request: Any, delivery: int | None) -> None:
        """The owner has said what became of it."""
        if not delivery:
            return
        if request.error is not None:
            self.failed -= 1
        else:
            self.completed -= 1
        if delivery == 1:
            self.orphaned += 1
        else:
            self.spurious += 1


def fleet_statistics(counters: FleetCounters, members: Sequence[Member]) -> FleetStatistics:
    """The statistics at this moment. The caller holds the fleet's lock."""
    rows = tuple(_row(member) for member in members)
    devices = [row.device for row in rows if row.device is not None]
    units = [getattr(member.accel, "units", 1) for member in members if member.accel is not None]
    return FleetStatistics(_sum(counters, devices, units), rows, sum(row.failovers for row in rows))


def _row(member: Member) -> MemberStatistics:
    ask = getattr(member.accel, "statistics", None)  # not every accelerator has it
    device = ask() if ask is not None else None
    return MemberStatistics(member.name, member.up, member.why_down, member.downs, member.ups, member.failovers, device)


def _sum(counters: FleetCounters, devices: Sequence[Statistics], units: Sequence[int]) -> Statistics:
    added = (
        "time_at_full_ns",
        "doorbells",
        "interrupts",
        "polls",
        "batches",
        "busy_ns",
        "handler_errors",
        "late",
        "late_ns",
    )
    sizes: Counter[int] = Counter()
    faults: Counter[str] = Counter()
    for device in devices:
        sizes.update(device.batch_sizes)
        faults.update(device.faults)
    whole = sum(units[: len(devices)])
    shares = [device.utilisation * count for device, count in zip(devices, units, strict=False)]
    sums: dict[str, Any] = {name: sum(getattr(device, name) for device in devices) for name in added}
    return Statistics(
        submitted=counters.submitted,
        completed=counters.completed,
        failed=counters.failed,
        orphaned=counters.orphaned,
        spurious=counters.spurious,
        in_flight=counters.in_flight,
        high_water=counters.high_water,
        ring_full=counters.ring_full,
        batch_sizes=dict(sorted(sizes.items())),
        utilisation=sum(shares) / whole if whole else 0.0,
        queue=Percentiles.of(list(counters.queue)),
        service=Percentiles.of(list(counters.service)),
        longest_interrupt_ns=max((device.longest_interrupt_ns for device in devices), default=0),
        by_op=dict(sorted(counters.by_op.items())),
        faults=dict(sorted(faults.items())),
        **sums,
    )
