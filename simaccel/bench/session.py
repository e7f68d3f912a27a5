"""One call of the benchmark command: measure, show, draw, compare."""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter_ns

from rich.console import Console

from engine.errors import UsageError
from simaccel.bench import (
    openssl_jobs,
    python_turns,
    report_page,
    report_plots,
    report_tables,
    run_parts,
    throughput_by_depth,
)
from simaccel.bench.compare_runs import compare, only_in_one
from simaccel.bench.progress import BenchProgress
from simaccel.bench.rig import Rig
from simaccel.bench.rows import BY_NAME
from simaccel.bench.text_table import print_line
from simaccel.bench.time_budget import Budget

LONGEST_MINUTES = 100_000
MAX_CHARACTERS = 1 << 26
"""The largest report that is read. A full one has half a million characters, but /dev/zero has no end."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    parts: Sequence[str] = ()
    """Names from run_parts.PARTS. If it is empty, all parts; or only the rows, if `rows` names some."""
    rows: Sequence[str] = ()
    """Names of rows. If it is empty, all rows."""
    rounds: int | None = None
    """How many interleaved rounds. With None each part has its own number."""
    minutes: float = 10.0
    """Roughly how long it may take. 0 is no limit."""
    folder: Path | None = None
    """The folder for the pictures and the page."""
    compare_path: Path | None = None
    """The JSON file of an earlier run to compare with."""
    goals: bool = False
    """Whether to show the goals of this project, and whether they are reached."""

    @property
    def chosen_parts(self) -> Sequence[str]:
        """The parts to be measured."""
        return self.parts or (("rows",) if self.rows else run_parts.PARTS)


def plan(rig: Rig, order: Order) -> Callable[[Console], run_parts.Report]:
    """Check the order, and return a function that carries it out and shows the results on a console. That takes
    minutes. Its report has "interrupted" if Ctrl-C ended it early. Raises UsageError; nothing has been measured
    then."""
    for given, known, what in ((order.parts, run_parts.PARTS, "part"), (order.rows, BY_NAME, "row")):
        for name in given:
            if name not in known:
                raise UsageError(f"no {what} {name!r}: use one of {', '.join(known)}")
    if order.rounds is not None and order.rounds < 1:
        raise UsageError(f"rounds={order.rounds}: use 1 or more")
    if not 0 <= order.minutes <= LONGEST_MINUTES:
        raise UsageError(f"minutes={order.minutes}: use 0 to {LONGEST_MINUTES:,}")
    before = load(order.compare_path) if order.compare_path else None
    if order.folder:
        _check_folder(order.folder)
    return lambda console: _carry_out(rig, order, before, console)


def load(path: Path) -> run_parts.Report:
    """The report of an earlier run. Raises UsageError if the file is not a report."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
        if len(text) > MAX_CHARACTERS:
            raise ValueError(f"more than {MAX_CHARACTERS:,} characters")
        report = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: {reason}; give the file that an earlier run wrote with --json") from None
    if not isinstance(report, dict) or report.get("version") != run_parts.VERSION:
        raise UsageError(f"{path} is not a report of this version of the benchmarks: measure again with --json")
    try:
        compare(report, report)
    except (TypeError, LookupError, AttributeError, ArithmeticError, ValueError, statistics.StatisticsError):
        raise UsageError(f"{path} is damaged: it has no series that could be compared; measure again") from None
    return report


def missing(order: Order) -> list[str]:
    """What can't be measured or drawn on this machine, each with the cure. For printing before the measurements."""
    told = []
    if order.folder and not find_spec("matplotlib"):
        told.append("no pictures will be drawn: matplotlib is not installed; pip install 'simaccel[bench]'")
    if "depths" in order.chosen_parts:
        told += throughput_by_depth.missing_peers()
    no_compiler = openssl_jobs.missing() if {"rows", "bare"} & set(order.chosen_parts) else None
    return told + ([no_compiler] if no_compiler else [])


def _check_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(None, "Permission denied", folder)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"--out {folder}: {reason}; give a folder that can be written") from None


def _carry_out(rig: Rig, order: Order, before: run_parts.Report | None, console: Console) -> run_parts.Report:
    report = _measured(rig, order)
    if order.rows and set(report) & set(run_parts.PARTS) == {"rows"}:
        report_tables.show_rows(report["rows"], console, times=True, goals=order.goals)
        for note in report["notes"]:
            print_line(console, note)
    else:
        report_tables.show(report, console, order.goals)
    if order.folder:
        if find_spec("matplotlib"):
            report_plots.draw(report, order.folder)
        print_line(console, f"the page: {report_page.write(report, order.folder, order.goals)}")
    if before is not None:
        report_tables.show_changes(compare(before, report), console)
        gone, new = only_in_one(before, report)
        if gone or new:
            print_line(
                console,
                f"not compared: {len(gone)} series that only the earlier run has, and "
                f"{len(new)} that only this one has",
            )
    return report


def _measured(rig: Rig, order: Order) -> run_parts.Report:
    report: run_parts.Report = {}
    budget = Budget(int(order.minutes * 60e9) or None, order.rounds, perf_counter_ns)
    todo = list(run_parts.steps(rig, report, order.chosen_parts, order.rows or list(BY_NAME), budget))
    done = 0
    with BenchProgress(len(todo)) as progress:
        try:
            for done, (what, measure) in enumerate(todo):
                if budget.spent:
                    report["notes"].append(
                        f"left out because {order.minutes:g} minutes were over: {_names(todo[done:])}"
                    )
                    break
                progress.begin(what)
                measure()
                progress.end()
        except KeyboardInterrupt:
            report["interrupted"] = True
            report["notes"].append(f"left out because of Ctrl-C: {_names(todo[done:])}")
        finally:
            python_turns.end()
    report["took_s"] = round(budget.used_ns / 1e9, 1)
    return report


def _names(steps: Sequence[run_parts.Step]) -> str:
    return ", ".join(what for what, _ in steps)
