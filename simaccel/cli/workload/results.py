"""What the operations of one way took: times kept as they end, percentiles made of them when all have."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.offload.statistics import EngineStatistics
from sim import Statistics
from simaccel.load import Latency

PHASES = ("slot", "queue", "service", "wake")
"""slot: from the call to the submit that found a slot; queue: to the start on a unit; service: to the completion;
wake: until the caller went on."""
LATE_SHARE = 0.01
"""If more operations than this share were late, the percentiles that are shown are not the timing model's."""


@dataclass(frozen=True, slots=True)
class Row:
    """The operations of one kind, those that succeeded."""

    operations: int
    bytes: int
    """Of their payloads."""
    whole: Latency
    """From end to end: from the call until the caller went on. The others are its parts, one after the other."""
    slot: Latency
    queue: Latency
    service: Latency
    wake: Latency

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the latency from end to end stands beside the counts, each part under its name."""
        described = asdict(self)
        return {**described.pop("whole"), **described}


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """What there is to say of an open load besides."""

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
    """All that is told of one way."""

    notify: str
    time: Literal["real", "virtual"]
    """Which time all times here are of."""
    verified: int
    failed: int
    """Raised instead of giving a result."""
    wrong: int
    """Gave a result that the software does not agree with."""
    elapsed_ns: int
    """While operations were in flight: without preparing and checking them."""
    utilisation: float
    """0 to 1: of the device's units, during elapsed_ns."""
    total: Row
    by_op: dict[str, Row]
    engine: EngineStatistics
    device: Statistics
    interrupted: bool = False
    """Ctrl-C came before all was done: this is what was done until then."""
    load: LoadSummary | None = None
    """Of an open load. The latency of `total` is that of transactions, from their intended arrival."""

    @property
    def operations_per_s(self) -> float | None:
        """Successful operations over the time. None if they took none, as in virtual time without a timing model."""
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
