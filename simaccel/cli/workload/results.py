"""The results of one way to be woken: counts, and percentiles of the times of its operations."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.offload.statistics import EngineStatistics
from sim import Statistics
from simaccel.load import Latency

PHASES = ("slot", "queue", "service", "wake")
"""The parts of an operation's time. slot: from the call to the submit that found a slot. queue: from there to the start
on a unit. service: from there to the completion. wake: from there until the caller went on."""
LATE_SHARE = 0.01
"""If more operations than this share were late, the percentiles that are shown are not the timing model's."""


@dataclass(frozen=True, slots=True)
class ResultRow:
    """The operations of one kind that succeeded."""

    operations: int
    bytes: int
    """The size of their payloads in all."""
    whole: Latency
    """The time from the call until the caller went on. The other times are its parts, which follow one another."""
    slot: Latency
    queue: Latency
    service: Latency
    wake: Latency

    def to_dict(self) -> dict[str, Any]:
        """The row for JSON. The latency of the whole stands beside the counts, and that of each part under its name."""
        described = asdict(self)
        return {**described.pop("whole"), **described}


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """The figures that only an open load has."""

    arrivals: str
    mix: str
    transactions: int
    """Those whose every step has succeeded."""
    offered_per_s: float
    answered_per_s: float
    mean_inside: float
    """Transactions that had arrived and were not answered, on average over the time."""
    late: Latency
    """By how much they arrived later than intended, because this machine was busy. That is a part of their latency."""
    by_transaction: dict[str, Latency]


@dataclass(frozen=True, slots=True)
class WayResult:
    """All results of one way."""

    notify: str
    time: Literal["real", "virtual"]
    """In which time all times here were measured."""
    verified: int
    failed: int
    """How many operations raised an exception."""
    wrong: int
    """How many operations gave a result that differs from that of the software."""
    elapsed_ns: int
    """The time during which operations were in flight, without the time to prepare and check them."""
    utilisation: float
    """The part of elapsed_ns in which the device's units were busy, from 0 to 1."""
    total: ResultRow
    by_op: dict[str, ResultRow]
    engine: EngineStatistics
    device: Statistics
    interrupted: bool = False
    """Whether Ctrl-C came before all was done, so that this is what was done until then."""
    load: LoadSummary | None = None
    """Of an open load. The latency of `total` is that of transactions, from their intended arrival."""

    @property
    def operations_per_s(self) -> float | None:
        """Successful operations per second. None if they took no time, as in virtual time without a timing model."""
        if not self.elapsed_ns:
            return None if self.total.operations else 0.0
        return self.total.operations * 1e9 / self.elapsed_ns

    @property
    def idle(self) -> bool:
        """Whether there was nothing at all to do."""
        return not (self.verified or self.failed or self.wrong)

    @property
    def as_modelled(self) -> bool:
        """Whether the times are those of the timing model: its work was done in time. True without a model."""
        return self.device.late <= LATE_SHARE * self.total.operations

    @property
    def ok(self) -> bool:
        """Whether every operation was done, succeeded and was right."""
        return not self.failed and not self.wrong and not self.interrupted

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        described = asdict(self)
        if self.load is None:
            del described["load"]
        return {
            **described,
            "total": self.total.to_dict(),
            "by_op": {op: row.to_dict() for op, row in self.by_op.items()},
            "device": self.device.to_dict(),
            "operations_per_s": self.operations_per_s,
            "as_modelled": self.as_modelled,
        }
