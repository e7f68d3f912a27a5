"""What changed between two runs, and whether it is more than the noise."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One series, before and now."""

    what: str
    before: float
    now: float
    noise: float
    """How far apart two runs of the same may lie: half the sum of both interquartile ranges, in the series' unit."""
    more_is_better: bool

    @property
    def percent(self) -> float:
        return (self.now / self.before - 1) * 100 if self.before else 0.0

    @property
    def verdict(self) -> str:
        """ "better", "worse", "same", or "noise" where the difference is not larger than that."""
        if self.now == self.before:
            return "same"
        if abs(self.now - self.before) <= self.noise:
            return "noise"
        return "better" if (self.now > self.before) is self.more_is_better else "worse"


def compare(before: Report, now: Report) -> list[Change]:
    """All series that both have, in the order of the new one. Exact counts have no noise.

    Ratios compare well between runs; times only between runs on the same machine, equally busy.
    """
    old = {what: values for what, values, _ in _series(before)}
    changes = []
    for what, values, more_is_better in _series(now):
        if what in old:
            noise = (_spread(old[what]) + _spread(values)) / 2
            changes.append(Change(what, statistics.median(old[what]), statistics.median(values), noise, more_is_better))
    return changes


def only_in_one(before: Report, now: Report) -> tuple[list[str], list[str]]:
    """Series that only the old run has, and those that only the new one has."""
    old, new = ([what for what, _, _ in _series(report)] for report in (before, now))
    return [what for what in old if what not in new], [what for what in new if what not in old]


def _spread(values: list[float]) -> float:
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return third - first


def _series(report: Report) -> Iterator[tuple[str, list[float], bool]]:
    """Name, a value for each round, and whether more is better."""
    for row in report.get("rows", ()):
        for figure in row["figures"]:
            if figure["samples"]:
                yield f"{row['name']}: {figure['what']} ({figure['unit']})", figure["samples"], figure["at_least"]
    for name, values in report.get("bare", {}).items():
        yield f"{name} (ns)", values, False
    for depth in report.get("depths", ()):
        for name, values in depth["times_ns"].items():
            yield f"{name}, {depth['in_flight']:,} in flight (ns)", values, False
    for work in report.get("crypto", ()):
        yield f"{work['what']}: offloaded against inline (x)", work["gain"], True
        yield f"{work['what']}: driving thread free (share)", work["free"], True
    for counted in report.get("counts", ()):
        for field in ("system_calls", "switches", "wakes", "locks", "python_calls", "c_calls", "blocks_in_flight"):
            yield f"{counted['way']}, {counted['kind']}: {field}", [counted[field]], False
