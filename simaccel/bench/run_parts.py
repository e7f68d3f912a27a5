"""A whole run: it does all parts, one after the other, and makes a report of plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from engine.modes import NOTIFY
from simaccel.bench import (
    cores,
    cost_split,
    exact_counts,
    machine,
    real_crypto,
    strace_counts,
    throughput_by_depth,
    without_device,
)
from simaccel.bench.figure import Row, RowResult
from simaccel.bench.interleaved_rounds import Samples
from simaccel.bench.rig import Rig
from simaccel.bench.rows import BY_NAME
from simaccel.bench.time_budget import Budget

PARTS = ("rows", "bare", "cores", "depths", "split", "crypto", "counts")
VERSION = 1

Report = dict[str, Any]
"""The results of a run, as in its JSON file: "version", "machine", "notes", and an entry for each of PARTS that ran.
Samples are lists with a number for each round."""
Step = tuple[str, Callable[[], None]]
"""The name of what is measured, and a function that measures it."""


def steps(rig: Rig, report: Report, parts: Sequence[str], rows: Sequence[str], budget: Budget) -> Iterator[Step]:
    """The steps of a run, in order. Each adds its results to the report."""
    report.update({"version": VERSION, "machine": machine.describe(), "notes": []})
    notes: list[str] = report["notes"]
    if "rows" in parts:
        report["rows"] = []
        for name in rows:
            yield f"row {name}", _row_step(rig, BY_NAME[name], budget, report)
    if "bare" in parts:
        yield "pairs and cycles", lambda: _bare(report, notes, budget.rounds(7))
    if "cores" in parts:
        yield "one core and two", lambda: report.update(cores=_plain(cores.measure(rig, budget.rounds(5))))
    if "depths" in parts:
        report["depths"] = []
        notes += throughput_by_depth.missing_peers()
        for in_flight in cost_split.IN_FLIGHT:
            yield f"throughput, {in_flight:,} in flight", _depth_step(rig, in_flight, budget, report)
    if "split" in parts:
        report["split"] = []
        for case in cost_split.cases():
            yield f"cost split, {case}", _split_step(rig, case, report)
    if "crypto" in parts:
        yield "real crypto", lambda: report.update(crypto=_plain(real_crypto.measure(rig, budget.rounds(5))))
    if "counts" in parts:
        report["counts"], report["straced"] = [], []
        for way in NOTIFY:
            for kind in ("stackful", "stackless"):
                yield f"counts, {way}, {kind}", _counts_step(rig, way, kind, report)


def _row_step(rig: Rig, row: Row, budget: Budget, report: Report) -> Callable[[], None]:
    return lambda: report["rows"].append(row_data(row, row.measure(rig, budget.rounds(row.rounds))))


def _depth_step(rig: Rig, in_flight: int, budget: Budget, report: Report) -> Callable[[], None]:
    return lambda: report["depths"].append(_plain(throughput_by_depth.measure(rig, in_flight, budget.rounds(5))))


def _split_step(rig: Rig, case: cost_split.SplitCase, report: Report) -> Callable[[], None]:
    return lambda: report["split"].append(_plain(cost_split.measure(rig, case)))


def _counts_step(rig: Rig, way: str, kind: str, report: Report) -> Callable[[], None]:
    def step() -> None:
        report["counts"].append(_plain(exact_counts.measure(rig, way, kind)))
        by_strace = strace_counts.measure(rig, way, kind == "stackless")
        if by_strace:
            report["straced"].append({"way": way, "kind": kind, "calls": by_strace})

    return step


def _bare(report: Report, notes: list[str], rounds: int) -> None:
    times, missing = without_device.measure(rounds)
    report["bare"] = _plain(times)
    notes += missing


def row_data(row: Row, outcome: RowResult) -> dict[str, Any]:
    """A row and its results, as plain data."""
    return {
        "name": row.name,
        "text": row.text,
        "part": row.part,
        "figures": [_plain(figure) | {"reached": figure.reached} for figure in outcome.figures],
        "times_ns": _plain(outcome.times_ns),
        "notes": outcome.notes,
    }


def _plain(value: Any) -> Any:
    """The value for JSON: Samples become lists, and dataclasses become dicts."""
    if isinstance(value, Samples):
        return list(value.values)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value
