"""Says what changed between two runs, and whether that is more than the noise."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simaccel.bench import cores, throughput_by_depth, without_device

Report = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One series of values, before and now."""

    what: str
    before: float
    now: float
    noise: float
    """How far apart two runs of the same code may be, in the unit of the series. This is half the sum of both
    interquartile ranges. For times, which depend on the machine, it is at least the change of the peers beside them."""
    more_is_better: bool

    @property
    def percent(self) -> float:
        return (self.now / self.before - 1) * 100 if self.before else 0.0

    @property
    def verdict(self) -> str:
        """ "better", "worse" or "same"; or "noise" if the difference is not larger than the noise."""
        if self.now == self.before:
            return "same"
        if abs(self.now - self.before) <= self.noise:
            return "noise"
        return "better" if (self.now > self.before) is self.more_is_better else "worse"


def compare(before: Report, now: Report) -> list[Change]:
    """The changes of all series that both reports have, in the order of the new one. Exact counts have no noise.

    The noise of a ratio comes only from its rounds. The times of two runs also differ because the machine was not the
    same. How much, we see from the change of the peers that were measured beside them.
    """
    old = {series.what: series.values for series in _series(before)}
    both = [series for series in _series(now) if series.what in old]
    drift: dict[str, float] = {}
    for series in both:
        if series.peer:
            change = statistics.median(series.values) / statistics.median(old[series.what]) - 1
            drift[series.group] = max(drift.get(series.group, 0.0), abs(change))
    changes = []
    for series in both:
        was, is_now = statistics.median(old[series.what]), statistics.median(series.values)
        noise = (_spread(old[series.what]) + _spread(series.values)) / 2 + drift.get(series.group, 0.0) * was
        changes.append(Change(series.what, was, is_now, noise, series.more_is_better))
    return changes


def only_in_one(before: Report, now: Report) -> tuple[list[str], list[str]]:
    """Series that only the old run has, and those that only the new one has."""
    old, new = ([series.what for series in _series(report)] for report in (before, now))
    return [what for what in old if what not in new], [what for what in new if what not in old]


def _spread(values: list[float]) -> float:
    if len(values) < 2:
        return 0.0
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return third - first


@dataclass(frozen=True, slots=True)
class _Series:
    what: str
    values: list[float]
    """One value for each round."""
    more_is_better: bool = False
    group: str = ""
    """The group of series that were measured side by side."""
    peer: bool = False
    """Whether this is not our code, so that a change from run to run comes from the machine."""


def _series(report: Report) -> Iterator[_Series]:
    for row in report.get("rows", ()):
        for figure in row["figures"]:
            if figure["samples"]:
                what = f"{row['name']}: {figure['what']} ({figure['unit']})"
                yield _Series(what, figure["samples"], figure["at_least"])
    for name, values in report.get("bare", {}).items():
        yield _Series(f"{name} (ns)", values, group="bare", peer=name not in without_device.OURS)
    for column, times_ns in report.get("cores", {}).items():
        for name, values in times_ns.items():
            yield _Series(f"{name}, {column} (ns)", values, group=column, peer=name not in cores.OURS)
    for depth in report.get("depths", ()):
        for name, values in depth["times_ns"].items():
            what = f"{name}, {depth['in_flight']:,} in flight (ns)"
            yield _Series(what, values, group=f"{depth['in_flight']}", peer=name not in throughput_by_depth.OURS)
    for work in report.get("crypto", ()):
        yield _Series(f"{work['what']}: offloaded against inline (x)", work["gain"], more_is_better=True)
        yield _Series(f"{work['what']}: driving thread free (share)", work["free"], more_is_better=True)
    for counted in report.get("counts", ()):
        for field in ("system_calls", "switches", "wakes", "locks", "python_calls", "c_calls", "blocks_in_flight"):
            yield _Series(f"{counted['way']}, {counted['kind']}: {field}", [counted[field]])
