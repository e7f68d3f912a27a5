"""One HTML page with the pictures and the tables of a run."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from simaccel.bench import machine
from simaccel.bench.report_tables import figure_cells, number_text, split_text, spread_text
from simaccel.bench.timed_accelerator import PAIR, STAGES

_REACHED: dict[bool | None, str] = {True: "yes", False: "no", None: "missing"}
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.5rem }
img { max-width: 100%; height: auto }
table { border-collapse: collapse; font-size: .88rem; margin: .8rem 0 }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
td.yes { color: #06703c; font-weight: 600 } td.no { color: #b00020; font-weight: 600 } td.missing { color: #8a6d00 }
.scroll { overflow-x: auto }
"""
_PICTURES = {
    "throughput": "Closed loop: a fixed number of callers, each of which asks again as soon as it has its answer.",
    "latency": "From the call to its result. Each further nine takes the same room; the y axis is logarithmic.",
    "split": "From the call to its result, without a gap. Each panel has its own scale.",
}


def write(report: dict[str, Any], folder: Path, goals: bool = False) -> Path:
    """Write index.html into the folder, beside the pictures. `goals`: as in `report_tables.show_rows`."""
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>simaccel: benchmarks</title>',
        f"<style>{_STYLE}</style><h1>simaccel: benchmarks</h1>",
        f"<p>{escape(machine.one_line(report['machine']))}; {escape(report['machine']['when'])}.</p>",
    ]
    if report.get("rows"):
        parts += ["<h2>Figures</h2>", _rows(report["rows"], goals)]
    for name, text in _PICTURES.items():
        if (folder / f"{name}.svg").exists():
            parts.append(f'<h2>{name.capitalize()}</h2><p>{text}</p><img src="{name}.svg" alt="{name}">')
    if report.get("bare"):
        lines = [(name, *_ns(values)) for name, values in report["bare"].items()]
        parts += ["<h2>Without a device</h2>", _table(("what", "ns", "middle half of the rounds"), lines)]
    if report.get("depths"):
        parts += ["<h2>Operations a second</h2>", _depths(report["depths"])]
    if report.get("crypto"):
        parts += ["<h2>Real crypto, 16 jobs offloaded against inline</h2>", _crypto(report["crypto"])]
    if report.get("counts"):
        parts += ["<h2>Exact counts for an operation</h2>", _counts(report["counts"])]
    if report.get("split"):
        parts += ["<h2>Cost split, p50/p99/p99.9 in us</h2>", _split(report["split"])]
    parts += [f"<p>{escape(note)}</p>" for note in report["notes"]]
    path = folder / "index.html"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    return path


def _rows(rows: Sequence[dict[str, Any]], goals: bool) -> str:
    lines = [(row["text"], *figure_cells(figure, _REACHED), row["part"]) for row in rows for figure in row["figures"]]
    if not goals:
        shown = [(text, what, value, spread) for text, what, _, value, _, spread, _ in lines]
        return _table(("what", "figure", "measured", "middle half of the rounds"), shown)
    return _table(("what", "figure", "target", "measured", "reached", "middle half of the rounds", "part"), lines)


def _ns(values: Sequence[float]) -> tuple[str, str]:
    return number_text(statistics.median(values), ""), spread_text(values, "")


def _depths(depths: Sequence[dict[str, Any]]) -> str:
    names = dict.fromkeys(name for depth in depths for name in depth["times_ns"])
    lines = [
        (
            name,
            *(
                f"{1e9 / statistics.median(depth['times_ns'][name]):,.0f}" if name in depth["times_ns"] else ""
                for depth in depths
            ),
        )
        for name in names
    ]
    return _table(("in flight", *(f"{depth['in_flight']:,}" for depth in depths)), lines)


def _crypto(works: Sequence[dict[str, Any]]) -> str:
    lines = []
    for work in works:
        inline, offloaded, gain, free = (
            statistics.median(work[name]) for name in ("inline", "offloaded", "gain", "free")
        )
        lines.append(
            (work["what"], f"{inline:,.0f}", f"{offloaded:,.0f}", number_text(gain, "x"), f"{free * 100:.0f} %")
        )
    return _table(("what", "inline/s", "offloaded/s", "gain", "driving thread free"), lines)


def _counts(counted: Sequence[dict[str, Any]]) -> str:
    fields = ("system_calls", "switches", "wakes", "locks", "python_calls", "c_calls", "blocks_in_flight")
    lines = [
        (entry["way"], entry["kind"], *(f"{entry[field]:g}" for field in (*fields, "blocks_left"))) for entry in counted
    ]
    return _table(("by", "job", *(field.replace("_", " ") for field in fields), "blocks left behind"), lines)


def _split(cells: Sequence[dict[str, Any]]) -> str:
    lines: list[tuple[str, ...]] = []
    for cell in cells:
        case = cell["case"]
        way = f"{case['way']}, coalesced" if case["coalesced"] else case["way"]
        texts = [split_text(values) for name in (*STAGES, "total", PAIR) if (values := cell["stages_ns"].get(name))]
        lines.append((f"{case['in_flight']:,}", way, case["kind"], *(texts or [cell["missing"]])))
    return _table(("in flight", "by", "job", *STAGES, "total", PAIR), lines)


def _table(columns: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{_class(text)}>{escape(text)}</td>" for text in line) + "</tr>" for line in lines
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'


def _class(text: str) -> str:
    return f' class="{text}"' if text in _REACHED.values() else ""
