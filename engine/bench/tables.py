"""What was measured, as tables on the terminal. Takes the report as plain data, so that an old one shows the same."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from engine.bench import machine
from engine.bench.compare import Change
from engine.bench.timed import PAIR, STAGES

_REACHED = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]missing[/]"}
_PARTS = {"D": "What must be reached", "A": "The floor", "C": "Testing tools"}
_VERDICTS = {"better": "[green]better[/]", "worse": "[red]worse[/]", "noise": "noise is larger", "same": "same"}


def wide_console() -> Console:
    """The terminal; where there is none, wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=150)


def show(report: dict[str, Any], console: Console) -> None:
    """All of it."""
    console.print(machine.one_line(report["machine"]), highlight=False)
    if report.get("bare"):
        _show_bare(report["bare"], console)
    if report.get("depths"):
        _show_depths(report["depths"], console)
    if report.get("split"):
        _show_split(report["split"], console)
    if report.get("crypto"):
        _show_crypto(report["crypto"], console)
    if report.get("counts"):
        _show_counts(report["counts"], report.get("straced", ()), console)
    if report.get("rows"):
        show_rows(report["rows"], console)
    for note in report["notes"]:
        console.print(note, highlight=False, markup=False)


def show_rows(rows: Sequence[dict[str, Any]], console: Console, times: bool = False) -> None:
    """The table of what must be reached; with `times`, what the contenders took, and the notes."""
    for part, title in _PARTS.items():
        chosen = [row for row in rows if row["part"] == part]
        if not chosen:
            continue
        table = _table(title, "row", "what", "figure", "target", "reached", "", "middle half of the rounds")
        for row in chosen:
            name, text = row["name"], row["text"]
            for figure in row["figures"]:
                table.add_row(name, text, *figure_cells(figure, _REACHED))
                name = text = ""
        console.print(table)
    if times:
        for row in rows:
            _show_times(row, console)


def figure_cells(figure: dict[str, Any], reached: dict[bool | None, str]) -> tuple[str, str, str, str, str]:
    """What, target, value, whether that is reached in the words given, spread."""
    unit, values = figure["unit"], figure["samples"]
    target = f"{'at least' if figure['at_least'] else 'at most'} {number_text(figure['target'], unit)}"
    value = number_text(statistics.median(values), unit) if values else ""
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
    """Percentiles in us, three digits each, or all of them where there are more before the point."""
    return "/".join(f"{ns / 1000:.0f}" if ns >= 99_950 else f"{ns / 1000:.3g}" for ns in values_ns)


def show_changes(changes: Sequence[Change], console: Console) -> None:
    """What changed since another run."""
    table = _table("Changes", "what", "before", "now", "change", "noise", "")
    for change in changes:
        table.add_row(
            change.what,
            number_text(change.before, ""),
            number_text(change.now, ""),
            f"{change.percent:+.1f} %",
            number_text(change.noise, ""),
            _VERDICTS[change.verdict],
        )
    console.print(table)


def _show_times(row: dict[str, Any], console: Console) -> None:
    for name, values in row["times_ns"].items():
        took_ns, spread = statistics.median(values), spread_text(values, "ns")
        text = f"  {row['name']}: {name:<34} {took_ns:>10,.0f} ns  {1e9 / took_ns:>12,.0f}/s   {spread}"
        console.print(text, highlight=False, markup=False)
    for note in row["notes"]:
        console.print(f"  {row['name']}: {note}", highlight=False, markup=False)


def _show_bare(times_ns: dict[str, list[float]], console: Console) -> None:
    table = _table("Without a device", "what", "ns", "middle half of the rounds")
    for name, values in times_ns.items():
        table.add_row(name, number_text(statistics.median(values), ""), spread_text(values, ""))
    console.print(table)


def _show_depths(depths: Sequence[dict[str, Any]], console: Console) -> None:
    table = _table("Null operations a second, by number in flight", "", *(f"{d['in_flight']:,}" for d in depths))
    for name in dict.fromkeys(name for depth in depths for name in depth["times_ns"]):
        rates = (
            f"{1e9 / statistics.median(depth['times_ns'][name]):,.0f}" if name in depth["times_ns"] else "-"
            for depth in depths
        )
        table.add_row(name, *rates)
    console.print(table)


def _show_split(cells: Sequence[dict[str, Any]], console: Console) -> None:
    table = _table("Where the time goes: p50/p99/p99.9 in us", "in flight", "by", "job", *STAGES, "total", PAIR)
    for cell in cells:
        case = cell["case"]
        way = f"{case['way']}, coalesced" if case["coalesced"] else case["way"]
        if cell["missing"]:
            table.add_row(f"{case['in_flight']:,}", way, case["kind"], cell["missing"])
            continue
        texts = (split_text(cell["stages_ns"].get(name, ())) for name in (*STAGES, "total", PAIR))
        table.add_row(f"{case['in_flight']:,}", way, case["kind"], *texts)
    console.print(table)


def _show_crypto(works: Sequence[dict[str, Any]], console: Console) -> None:
    table = _table(
        "Real crypto: 16 jobs offloaded, against inline", "what", "inline/s", "offloaded/s", "gain", "thread free"
    )
    for work in works:
        inline, offloaded, gain, free = (
            statistics.median(work[name]) for name in ("inline", "offloaded", "gain", "free")
        )
        table.add_row(
            work["what"], f"{inline:,.0f}", f"{offloaded:,.0f}", number_text(gain, "x"), f"{free * 100:.0f} %"
        )
    console.print(table)


def _show_counts(counted: Sequence[dict[str, Any]], straced: Sequence[dict[str, Any]], console: Console) -> None:
    table = _table(
        "Exact counts for an operation, 32 jobs in virtual time",
        *("by", "job", "system calls", "switches", "wakes", "locks", "Python calls", "C calls"),
        *("blocks in flight", "left behind", "real time, 64 jobs, by strace"),
    )
    traced = {(entry["way"], entry["kind"]): entry["calls"] for entry in straced}
    for entry in counted:
        calls = traced.get((entry["way"], entry["kind"]), {})
        table.add_row(
            entry["way"],
            entry["kind"],
            *(f"{entry[name]:g}" for name in ("system_calls", "switches", "wakes", "locks", "python_calls", "c_calls")),
            f"{entry['blocks_in_flight']:g}",
            f"{entry['blocks_left']:g}",
            ", ".join(f"{name} {count:g}" for name, count in list(calls.items())[:4]) or "no strace",
        )
    console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    return table
