"""The pictures of a run, PNG and SVG: latency distribution, throughput over depth, cost split. Needs matplotlib."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

from simaccel.bench.cost_split import CURVE
from simaccel.bench.timed_accelerator import STAGES

Report = dict[str, Any]

_WAYS = {
    "fd": "#0072b2",
    "pipe": "#56b4e9",
    "callback": "#d55e00",
    "external": "#009e73",
    "heuristic": "#cc79a7",
    "inline": "#777777",
}
"""Colours that colour-blind people can tell apart (Okabe and Ito)."""
_STAGES = ("#999999", "#e69f00", "#f0e442", "#56b4e9", "#0072b2")
_CONTENDERS = {
    "callback, stackless": ("#d55e00", "-", "o"),
    "callback, stackful": ("#d55e00", "--", "o"),
    "external polling, stackless": ("#009e73", "-", "s"),
    "heuristic polling, stackless": ("#cc79a7", "-", "D"),
    "fd, stackless": ("#0072b2", "-", "^"),
    "fd, stackful": ("#0072b2", "--", "^"),
    "pipe, stackful": ("#56b4e9", "--", "v"),
    "ThreadPoolExecutor": ("#000000", ":", "x"),
    "run_in_executor, asyncio": ("#555555", ":", "+"),
    "run_in_executor, uvloop": ("#888888", ":", "*"),
    "gevent threadpool": ("#aaaaaa", ":", "1"),
}
_PANELS = (1, 64, 4_096)


def draw(report: Report, folder: Path) -> list[Path]:
    """Draw everything that the report has. Returns the files, two for each picture. Raises ImportError without
    matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams.update(
        {
            "font.size": 10,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "simaccel",
            "figure.dpi": 110,
        }
    )
    written: list[Path] = []
    pictures = {"latency": ("split", _latency), "throughput": ("depths", _throughput), "split": ("split", _split)}
    for name, (part, picture) in pictures.items():
        if report.get(part):
            figure = picture(report[part])
            for kind in ("png", "svg"):
                written.append(folder / f"{name}.{kind}")
                figure.savefig(written[-1], bbox_inches="tight")
    return written


def _latency(cells: list[dict[str, Any]]) -> Any:
    """The latency at each percentile, as HdrHistogram draws it, with as much room for the tail as for the rest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.6), layout="constrained")
    axes = figure.subplots(1, len(_PANELS))
    places = [_place(percentile) for percentile in CURVE]
    for axis, in_flight in zip(axes, _PANELS, strict=True):
        for cell in cells:
            case = cell["case"]
            if cell["missing"] or case["in_flight"] != in_flight or case["coalesced"]:
                continue
            style = "--" if case["kind"] == "stackful" else "-"
            axis.plot(
                places,
                [ns / 1000 for ns in cell["curve_ns"]],
                style,
                color=_WAYS[case["way"]],
                label=f"{case['way']}, {case['kind']}",
            )
        _log_ticks(axis)
        axis.set_xticks([_place(at) for at in (0, 50, 90, 99, 99.9)], ["min", "50", "90", "99", "99.9"])
        axis.set_xlabel("percentile")
        axis.set_title(f"{in_flight:,} in flight")
    axes[0].set_ylabel("call to result, us")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle("Latency of a null operation")
    return figure


def _log_ticks(axis: Any) -> None:
    """A logarithmic y axis with plain numbers on it, at least two of them."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:,.10g}")
    axis.yaxis.set_minor_formatter(NullFormatter())


def _place(percentile: float) -> float:
    """The position of a percentile on an axis on which each further nine takes the same room."""
    from math import log10

    return -log10(1 - min(percentile, 99.97) / 100)


def _throughput(depths: list[dict[str, Any]]) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 6), layout="constrained")
    axis = figure.subplots()
    for name, (colour, style, marker) in _CONTENDERS.items():
        points = [
            (depth["in_flight"], 1e9 / statistics.median(depth["times_ns"][name]))
            for depth in depths
            if name in depth["times_ns"]
        ]
        if points:
            axis.plot(*zip(*points, strict=True), style, color=colour, marker=marker, markersize=6, label=name)
    axis.set_xscale("log", base=2)
    _log_ticks(axis)
    axis.set_xticks([depth["in_flight"] for depth in depths], [f"{depth['in_flight']:,}" for depth in depths])
    axis.set_xlabel("in flight")
    axis.set_ylabel("null operations a second")
    axis.set_title("Throughput over the number in flight")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure


def _split(cells: list[dict[str, Any]]) -> Any:
    """The stages of a typical operation as stacked bars."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.8), layout="constrained")
    axes = figure.subplots(1, len(_PANELS), sharey=False)
    for axis, in_flight in zip(axes, _PANELS, strict=True):
        chosen = [cell for cell in cells if cell["case"]["in_flight"] == in_flight and not cell["missing"]]
        labels = [_label(cell["case"]) for cell in chosen]
        left = [0.0] * len(chosen)
        longest_ns = max((sum(cell["typical_ns"].values()) for cell in chosen), default=0)
        unit, unit_ns = ("ms", 1_000_000) if longest_ns > 5_000_000 else ("us", 1_000)
        for stage, colour in zip(STAGES, _STAGES, strict=True):
            widths = [cell["typical_ns"][stage] / unit_ns for cell in chosen]
            axis.barh(labels, widths, left=left, color=colour, label=stage, height=0.75)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        axis.invert_yaxis()
        axis.grid(axis="y", visible=False)
        axis.xaxis.set_major_formatter("{x:,.10g}")
        axis.tick_params(axis="y", labelsize=8)
        axis.set_xlabel(unit)
        axis.set_title(f"{in_flight:,} in flight")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(STAGES), frameon=False)
    figure.suptitle("Where the time of a null operation goes (mean of the middle half)")
    return figure


def _label(case: dict[str, Any]) -> str:
    return f"{case['way']}{' coalesced' if case['coalesced'] else ''}, {case['kind']}"
