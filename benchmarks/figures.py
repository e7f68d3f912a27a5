"""`python -m benchmarks.figures RUN.json` puts the figures of a run into docs/performance.md, and pictures beside it.

The text of that page is written by hand, except what is between `<!-- NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from simaccel.bench import limits, machine, report_plots
from simaccel.bench.report_tables import figure_cells, number_text, split_text, spread_text
from simaccel.bench.session import load
from simaccel.bench.timed_accelerator import PAIR, STAGES

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGE = DOCS / "performance.md"
_REACHED: dict[bool | None, str] = {True: "yes", False: "**no**", None: "missing"}
_SHOWN = (1, 64, 4_096)

Report = dict[str, Any]


def _machine(report: Report) -> str:
    about = report["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items() if version)
    return (
        f"{machine.one_line(about)}. {about['system']}; {packages}. {about['when']}, "
        f"{report['took_s'] / 60:.1f} minutes."
    )


def _rows(report: Report) -> str:
    lines = []
    for row in report["rows"]:
        text = row["text"] if row["part"] == "D" else f"(part {row['part']}) {row['text']}"
        for figure in row["figures"]:
            what, target, value, reached, spread = figure_cells(figure, _REACHED)
            python = figure["in_python"]
            beside = number_text(statistics.median(python), figure["unit"]) if python else ""
            lines.append((f"`{row['name']}`", f"{text}: {what}", target, value, reached, spread, beside))
    return _table(("row", "figure", "target", "measured", "reached", "middle half of the rounds", "in Python"), lines)


def _cores(report: Report) -> str:
    columns = report["cores"]
    lines = [
        (name, *(number_text(statistics.median(times_ns[name]), "") for times_ns in columns.values()))
        for name in next(iter(columns.values()))
    ]
    return _table(("ns, an operation", *columns), lines)


def _limits(report: Report) -> str:
    lines = [
        (name, number_text(ns, ""), number_text(limit_ns, ""), number_text(ns / limit_ns, "x"), made_of)
        for name, ns, limit_ns, made_of in limits.lines({"bare": report["bare"], **report["cores"]})
    ]
    return _table(("", "ns", "limit, ns", "ratio", "what the limit is made of"), lines)


def _bare(report: Report) -> str:
    lines = [
        (name, number_text(statistics.median(values), ""), spread_text(values, ""))
        for name, values in report["bare"].items()
    ]
    return _table(("", "ns", "middle half of the rounds"), lines)


def _depths(report: Report) -> str:
    depths = report["depths"]
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


def _split(report: Report) -> str:
    lines = []
    for cell in report["split"]:
        case = cell["case"]
        if case["in_flight"] in _SHOWN and not cell["missing"]:
            way = f"{case['way']}, coalesced" if case["coalesced"] else case["way"]
            texts = (split_text(cell["stages_ns"].get(name, ())) for name in (*STAGES, "total", PAIR))
            lines.append((f"{case['in_flight']:,}", way, case["kind"], *texts))
    return _table(("in flight", "by", "job", *STAGES, "total", PAIR), lines)


def _crypto(report: Report) -> str:
    lines = []
    for work in report["crypto"]:
        inline, offloaded, gain, free = (
            statistics.median(work[name]) for name in ("inline", "offloaded", "gain", "free")
        )
        lines.append(
            (work["what"], f"{inline:,.0f}", f"{offloaded:,.0f}", number_text(gain, "x"), f"{free * 100:.0f} %")
        )
    return _table(("", "inline/s", "offloaded/s", "gain", "driving thread free"), lines)


def _counts(report: Report) -> str:
    traced = {(entry["way"], entry["kind"]): entry["calls"] for entry in report["straced"]}
    fields = ("system_calls", "switches", "wakes", "locks", "python_calls", "c_calls", "blocks_in_flight")
    lines = []
    for entry in report["counts"]:
        calls = list(traced.get((entry["way"], entry["kind"]), {}).items())[:4]
        real = ", ".join(f"{name} {count:g}" for name, count in calls)
        lines.append((entry["way"], entry["kind"], *(f"{entry[field]:g}" for field in fields), real))
    names = (field.replace("_", " ") for field in fields)
    return _table(("by", "job", *names, "in real time, 64 jobs, by strace"), lines)


MAKERS: dict[str, Callable[[Report], str]] = {
    "machine": _machine,
    "rows": _rows,
    "bare": _bare,
    "cores": _cores,
    "limits": _limits,
    "depths": _depths,
    "split": _split,
    "crypto": _crypto,
    "counts": _counts,
}


def filled(page: str, report: Report) -> str:
    """The page with the figures of this report. Raises KeyError for a part that the report does not have."""

    def made(match: re.Match[str]) -> str:
        return f"<!-- {match[1]} -->\n{MAKERS[match[1]](report)}\n<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", made, page, flags=re.DOTALL)


def _table(columns: Iterable[str], lines: Iterable[Sequence[str]]) -> str:
    head = list(columns)
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    """The command."""
    report = load(Path(sys.argv[1]))
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")
    pictures = DOCS / "performance"
    pictures.mkdir(exist_ok=True)
    report_plots.draw(report, pictures)


if __name__ == "__main__":
    main()
