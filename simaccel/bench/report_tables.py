"""Shows the results as tables on the terminal. It takes the report as plain data, so an old one is shown in the same
way."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console

from simaccel.bench import limits, machine
from simaccel.bench.compare_runs import Change
from simaccel.bench.text_table import TextColumn, print_line, print_table
from simaccel.bench.timed_accelerator import PAIR, STAGES

_REACHED = {True: "yes", False: "no", None: "missing"}
_REACHED_STYLES = (("yes", "green"), ("no", "red"), ("missing", "yellow"))
_PARTS = {"D": "What must be reached", "A": "The floor", "C": "Testing tools"}
_VERDICTS = {"better": "better", "worse": "worse", "noise": "noise is larger", "same": "same"}
_VERDICT_STYLES = (("better", "green"), ("worse", "red"))


def show(report: dict[str, Any], console: Console, goals: bool = False) -> None:
    """Show the whole report."""
    print_line(console, machine.one_line(report["machine"]))
    if report.get("bare"):
        _show_bare(report["bare"], console)
    if report.get("cores"):
        _show_cores(report["cores"], console)
    if report.get("bare"):
        _show_limits({"bare": report["bare"], **report.get("cores", {})}, console)
    if report.get("depths"):
        _show_depths(report["depths"], console)
    if report.get("split"):
        _show_split(report["split"], console)
    if report.get("crypto"):
        _show_crypto(report["crypto"], console)
    if report.get("counts"):
        _show_counts(report["counts"], report.get("straced", ()), console)
    if report.get("rows"):
        show_rows(report["rows"], console, goals=goals)
    for note in report["notes"]:
        print_line(console, note)


def show_rows(rows: Sequence[dict[str, Any]], console: Console, times: bool = False, goals: bool = False) -> None:
    """Show the figures; with `times`, also the times of the contenders, and the notes. With `goals`, also the goals of
    this project, and whether they are reached. By default they are not shown, because a user's machine need not reach
    them."""
    names, spread = (_text("row"), _text("what"), _text("figure")), TextColumn("middle half of the rounds")
    if not goals:
        _table(console, "Figures", (*names, TextColumn("measured"), spread), _row_lines(rows, (0, 2, 4)))
    else:
        reached = TextColumn("reached", text=True, styles=_REACHED_STYLES)
        for part, title in _PARTS.items():
            chosen = [row for row in rows if row["part"] == part]
            if chosen:
                columns = (*names, TextColumn("target"), TextColumn("measured"), reached, spread)
                _table(console, title, columns, _row_lines(chosen, range(5)))
    if times:
        for row in rows:
            _show_times(row, console)


def _row_lines(rows: Sequence[dict[str, Any]], chosen: Sequence[int]) -> list[list[str]]:
    """A line for each figure, with the chosen cells. The name and text of a row are only on its first line."""
    lines = []
    for row in rows:
        names = [row["name"], row["text"]]
        for figure in row["figures"]:
            cells = figure_cells(figure, _REACHED)
            lines.append([*names, *(cells[index] for index in chosen)])
            names[1] = ""
    return lines


def figure_cells(figure: dict[str, Any], reached: dict[bool | None, str]) -> tuple[str, str, str, str, str]:
    """The cells of a figure: what it is, target, value, whether the target is reached (in the given words), spread."""
    unit, values = figure["unit"], figure["samples"]
    target = f"{'at least' if figure['at_least'] else 'at most'} {number_text(figure['target'], unit)}"
    value = number_text(statistics.median(values), unit) if values else "missing"
    return figure["what"], target, value, reached[figure["reached"]], spread_text(values, unit)


def spread_text(values: Sequence[float] | None, unit: str) -> str:
    """The quartiles."""
    if not values or len(values) < 2:
        return ""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{number_text(low, unit)} to {number_text(high, unit)}"


def number_text(value: float, unit: str) -> str:
    """Three digits and the unit."""
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits}x" if unit == "x" else f"{digits} {unit}".rstrip()


def split_text(values_ns: Sequence[float]) -> str:
    """Percentiles in us, with three digits each, or more if there are more before the point."""
    return "/".join(f"{ns / 1000:.0f}" if ns >= 99_950 else f"{ns / 1000:.3g}" for ns in values_ns)


def show_changes(changes: Sequence[Change], console: Console) -> None:
    """What changed since another run."""
    columns = (
        *(_text("what"), TextColumn("before"), TextColumn("now"), TextColumn("change"), TextColumn("noise")),
        TextColumn("verdict", text=True, styles=_VERDICT_STYLES),
    )
    lines = [
        (
            change.what,
            number_text(change.before, ""),
            number_text(change.now, ""),
            f"{change.percent:+.1f} %",
            number_text(change.noise, ""),
            _VERDICTS[change.verdict],
        )
        for change in changes
    ]
    _table(console, "Changes", columns, lines)


def _show_times(row: dict[str, Any], console: Console) -> None:
    lines = []
    for name, values in row["times_ns"].items():
        took_ns = statistics.median(values)
        lines.append((name, f"{took_ns:,.0f} ns", f"{1e9 / took_ns:,.0f}/s", spread_text(values, "ns")))
    if lines:
        columns = (
            _text("contender"),
            TextColumn("an operation"),
            TextColumn("a second"),
            TextColumn("middle half of the rounds"),
        )
        _table(console, row["name"], columns, lines)
    for note in row["notes"]:
        print_line(console, f"{row['name']}: {note}")


def _show_bare(times_ns: dict[str, list[float]], console: Console) -> None:
    columns = (_text("what"), TextColumn("ns"), TextColumn("middle half of the rounds"))
    lines = [
        (name, number_text(statistics.median(values), ""), spread_text(values, "")) for name, values in times_ns.items()
    ]
    _table(console, "Without a device", columns, lines)


def _show_cores(columns: dict[str, dict[str, list[float]]], console: Console) -> None:
    lines = [
        (name, *(number_text(statistics.median(times_ns[name]), "") for times_ns in columns.values()))
        for name in next(iter(columns.values()))
    ]
    _table(console, "ns for an operation, by cores", (_text("contender"), *map(TextColumn, columns)), lines)


def _show_limits(times_ns: dict[str, dict[str, list[float]]], console: Console) -> None:
    lines = [
        (name, number_text(ns, ""), number_text(limit_ns, ""), number_text(ns / limit_ns, "x"), made_of)
        for name, ns, limit_ns, made_of in limits.lines(times_ns)
    ]
    columns = (
        _text("contender"),
        TextColumn("ns"),
        TextColumn("limit, ns"),
        TextColumn("ratio"),
        _text("the limit is made of"),
    )
    _table(console, "Physical limits, measured in this run", columns, lines)


def _show_depths(depths: Sequence[dict[str, Any]], console: Console) -> None:
    columns = (_text("contender"), *(TextColumn(f"{depth['in_flight']:,}") for depth in depths))
    lines = []
    for name in dict.fromkeys(name for depth in depths for name in depth["times_ns"]):
        rates = (
            f"{1e9 / statistics.median(depth['times_ns'][name]):,.0f}" if name in depth["times_ns"] else "-"
            for depth in depths
        )
        lines.append((name, *rates))
    _table(console, "Null operations a second, by number in flight", columns, lines)


def _show_split(cells: Sequence[dict[str, Any]], console: Console) -> None:
    names = (*STAGES, "total", PAIR)
    columns = (_text("in flight, by, job"), *(TextColumn(name) for name in names))
    lines, missing = [], []
    for cell in cells:
        case = cell["case"]
        way = f"{case['way']}, coalesced" if case["coalesced"] else case["way"]
        label = f"{case['in_flight']:,}, {way}, {case['kind']}"
        if cell["missing"]:
            missing.append(f"{label}: {cell['missing']}")
        else:
            lines.append((label, *(split_text(cell["stages_ns"].get(name, ())) for name in names)))
    _table(console, "Where the time goes: p50/p99/p99.9 in us", columns, lines)
    for line in missing:
        print_line(console, line)


def _show_crypto(works: Sequence[dict[str, Any]], console: Console) -> None:
    columns = (_text("what"), *(TextColumn(name) for name in ("inline/s", "offloaded/s", "gain", "thread free")))
    lines = []
    for work in works:
        inline, offloaded, gain, free = (
            statistics.median(work[name]) for name in ("inline", "offloaded", "gain", "free")
        )
        lines.append(
            (work["what"], f"{inline:,.0f}", f"{offloaded:,.0f}", number_text(gain, "x"), f"{free * 100:.0f} %")
        )
    _table(console, "Real crypto: 16 jobs offloaded, against inline", columns, lines)


def _show_counts(counted: Sequence[dict[str, Any]], straced: Sequence[dict[str, Any]], console: Console) -> None:
    columns = (
        _text("by, job"),
        *(TextColumn(name) for name in ("system\ncalls", "switches", "wakes", "locks", "Python\ncalls", "C\ncalls")),
        *(TextColumn("blocks\nin flight"), TextColumn("left\nbehind"), _text("real time, 64 jobs,\nby strace")),
    )
    fields = (
        "system_calls",
        "switches",
        "wakes",
        "locks",
        "python_calls",
        "c_calls",
        "blocks_in_flight",
        "blocks_left",
    )
    traced = {(entry["way"], entry["kind"]): entry["calls"] for entry in straced}
    lines = []
    for entry in counted:
        calls = list(traced.get((entry["way"], entry["kind"]), {}).items())[:4]
        real = ", ".join(f"{name} {count:g}" for name, count in calls) or "no strace"
        lines.append(
            (
                f"{entry['way']}, {entry['kind']}",
                *(f"{entry[field]:g}" for field in (*fields, "blocks_in_flight", "blocks_left")),
                real,
            )
        )
    _table(console, "Exact counts for an operation, 32 jobs in virtual time", columns, lines)


def _text(heading: str) -> TextColumn:
    return TextColumn(heading, text=True)


def _table(console: Console, title: str, columns: Sequence[TextColumn], lines: Sequence[Sequence[str]]) -> None:
    print_line(console)
    print_table(console, columns, lines, title)
