"""The result of a load: latencies and utilisation, and a check that the run is a possible one.

The check is Little's law, which holds for every run, with any distribution: the mean number of transactions inside is
the rate times the mean latency. The number inside is counted as transactions come and go, and the latencies come from
the rows that the run left. So the law does not hold if a transaction was forgotten, ended twice, or got another one's
time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.errors import InternalError
from simaccel.load.latency import Latency, confidence_ns
from simaccel.load.mix import Mix

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LoadResult:
    """A run in short. Times in ns; latencies from the intended arrival of a transaction to the end of its last step."""

    seed: int
    transactions: int
    """How many transactions ended, with those of the warm-up."""
    lost: int
    """Transactions that found no slot, in a run where they don't wait for one."""
    operations: int
    elapsed_ns: int
    """From time 0 to the last end."""
    rate_per_s: float
    """How many transactions ended per second."""
    total: Latency
    by_transaction: dict[str, Latency]
    wait_mean_ns: float
    """How long an operation waited on average, first for a slot and then for a unit."""
    mean_ns: float
    """The mean latency, not rounded."""
    confidence_ns: float
    """The true mean latency is this close to it, with a confidence of 99.9 %."""
    delayed: int
    """Operations that found no slot at once: EAGAIN."""
    utilisation: float
    """From 0 to 1: how much of the time the units were busy."""
    by_card: tuple[int, ...]
    """Operations by card."""
    mean_inside: float
    """Transactions inside, on average over the time: L of Little's law."""
    most_in_flight: int
    """The most operations that had a slot at one moment, over all cards."""
    fullest_ring: int
    """The same on one card."""
    latencies_ns: _Ints
    """The latency of each transaction after the warm-up, in the order of their arrival."""

    def to_dict(self) -> dict[str, Any]:
        """All but the single latencies, for JSON."""
        described = {name: getattr(self, name) for name in self.__slots__ if name != "latencies_ns"}
        described["total"] = asdict(self.total)
        described["by_transaction"] = {name: asdict(one) for name, one in self.by_transaction.items()}
        return described

    def share_below(self, limit_ns: int) -> float:
        """The share of the transactions that took at most this long, from 0 to 1."""
        return float((self.latencies_ns <= limit_ns).mean()) if len(self.latencies_ns) else 1.0


def measured(
    *,
    begins_ns: _Ints,
    ends_ns: _Ints,
    kinds: npt.NDArray[Any],
    waits_ns: _Ints,
    delayed: int,
    inside_ns: int,
    most_in_flight: int,
    fullest_ring: int,
    busy_ns: Sequence[int],
    by_card: tuple[int, ...],
    units: int,
    mix: Mix,
    warm_up: float,
    seed: int,
) -> LoadResult:
    """The result of a run. Raises InternalError if it breaks Little's law, because then it is not a possible run."""
    ended = ends_ns >= 0
    begins, ends = begins_ns[ended], ends_ns[ended]
    elapsed_ns = int(ends.max(initial=0))
    check_littles_law(begins, ends, inside_ns)
    chosen = ended.copy()
    chosen[: int(len(begins_ns) * warm_up)] = False
    latencies = ends_ns[chosen] - begins_ns[chosen]
    kinds = kinds[chosen]
    possible_ns = elapsed_ns * units * len(by_card)
    return LoadResult(
        seed=seed,
        transactions=len(begins),
        lost=len(begins_ns) - len(begins),
        operations=len(waits_ns),
        elapsed_ns=elapsed_ns,
        rate_per_s=len(begins) * 1e9 / elapsed_ns if elapsed_ns else 0.0,
        total=Latency.of(latencies),
        by_transaction={
            one.name: Latency.of(latencies[kinds == number]) for number, one in enumerate(mix.transactions)
        },
        wait_mean_ns=float(waits_ns.mean()) if len(waits_ns) else 0.0,
        mean_ns=float(latencies.mean()) if len(latencies) else 0.0,
        confidence_ns=confidence_ns(latencies),
        delayed=delayed,
        utilisation=min(sum(busy_ns) / possible_ns, 1.0) if possible_ns else 0.0,
        by_card=by_card,
        mean_inside=inside_ns / elapsed_ns if elapsed_ns else 0.0,
        most_in_flight=most_in_flight,
        fullest_ring=fullest_ring,
        latencies_ns=latencies,
    )


def check_littles_law(begins_ns: _Ints, ends_ns: _Ints, inside_ns: int) -> None:
    """Raises InternalError unless the transactions inside, added up over the time, are the sum of the latencies.

    Both are whole numbers, so they agree exactly. Divided by the time, this is L = rate * W.
    """
    latencies_ns = ends_ns - begins_ns
    if len(latencies_ns) and latencies_ns.min() < 0:
        raise InternalError(f"a transaction ended {-latencies_ns.min()} ns before it came")
    whole_ns = int(latencies_ns.sum())
    if whole_ns != inside_ns:
        raise InternalError(f"Little's law does not hold: {inside_ns:,} ns inside, {whole_ns:,} ns of latency")
