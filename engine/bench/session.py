"""One call of the benchmark command: measure, show, write, compare."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from engine.bench import page, plots, run, tables
from engine.bench.budget import Budget
from engine.bench.compare import compare, only_in_one
from engine.bench.rig import Rig
from engine.bench.rows import BY_NAME
from engine.errors import UsageError


@dataclass(frozen=True, slots=True)
class Order:
    """What to do."""

    parts: Sequence[str] = ()
    """Of run.PARTS; none for all, or for the rows alone where `rows` names some."""
    rows: Sequence[str] = ()
    """Names of rows; none for all."""
    rounds: int | None = None
    """Interleaved rounds; None for what each part takes by itself."""
    minutes: float = 10.0
    """How long it may take, about; 0 for as long as it does."""
    json_path: Path | None = None
    folder: Path | None = None
    """Where the pictures and the page go."""
    compare_path: Path | None = None
    """The JSON of an earlier run."""


def plan(rig: Rig, order: Order) -> Callable[[], run.Report]:
    """Check the order, and return what carries it out. Raises UsageError; nothing has been measured then."""
    for given, known, what in ((order.parts, run.PARTS, "part"), (order.rows, BY_NAME, "row")):
        for name in given:
            if name not in known:
                raise UsageError(f"no {what} {name!r}: use one of {', '.join(known)}")
    if order.rounds is not None and order.rounds < 1:
        raise UsageError(f"rounds={order.rounds}: use 1 or more")
    if not order.minutes >= 0:
        raise UsageError(f"minutes={order.minutes}: use 0 or more")
    before = load(order.compare_path) if order.compare_path else None
    try:
        if order.json_path:
            order.json_path.parent.mkdir(parents=True, exist_ok=True)
            order.json_path.open("a").close()
        if order.folder:
            order.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}; give one that can be written") from None
    return lambda: _carry_out(rig, order, before)


def load(path: Path) -> run.Report:
    """The report of an earlier run. UsageError if it is none."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {error}; give the file that an earlier run wrote with --json") from None
    if not isinstance(report, dict) or report.get("version") != run.VERSION:
        raise UsageError(f"{path} is no report of this version of the benchmarks: measure again with --json")
    return report


def _carry_out(rig: Rig, order: Order, before: run.Report | None) -> run.Report:
    """Measure, and show and write what was asked for. Takes minutes."""
    console = tables.wide_console()
    report = _measured(rig, order, console)
    if order.rows and set(report) & set(run.PARTS) == {"rows"}:
        tables.show_rows(report["rows"], console, times=True)
    else:
        tables.show(report, console)
    if order.json_path:
        order.json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if order.folder:
        _write_page(report, order.folder, console)
    if before is not None:
        tables.show_changes(compare(before, report), console)
        gone, new = only_in_one(before, report)
        if gone or new:
            console.print(f"not compared: {len(gone)} series of the earlier run alone, {len(new)} of this one alone")
    return report


def _measured(rig: Rig, order: Order, console: Console) -> run.Report:
    report: run.Report = {}
    parts = order.parts or (("rows",) if order.rows else run.PARTS)
    budget = Budget(int(order.minutes * 60e9) or None, order.rounds, perf_counter_ns)
    todo = list(run.steps(rig, report, parts, order.rows or list(BY_NAME), budget))
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # No refresh by itself: that would be a thread, which takes turns with what is measured.
    with Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    ) as progress:
        task = progress.add_task("", total=len(todo))
        for done, (what, measure) in enumerate(todo):
            if budget.spent:
                left_out = ", ".join(what for what, _ in todo[done:])
                report["notes"].append(f"left out, for {order.minutes:g} minutes were over: {left_out}")
                break
            progress.update(task, description=what, refresh=True)
            measure()
            progress.advance(task)
    report["took_s"] = round(budget.used_ns / 1e9, 1)
    return report


def _write_page(report: run.Report, folder: Path, console: Console) -> None:
    try:
        plots.draw(report, folder)
    except ImportError as error:
        console.print(f"no pictures: {error}; pip install 'simaccel[bench]'", highlight=False, markup=False)
    console.print(f"the page: {page.write(report, folder)}", highlight=False, markup=False)
