"""The picture of a sweep: p99 over the rate, a line for each combination of everything else, the mean over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from simaccel.load.rates import parse_rate
from simaccel.load.sweep_grid import AXES, Row

MOST_LINES = 16


def draw_sweep(rows: Sequence[Row], target: Path) -> None:
    """Draw the first 16 lines. Raises ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "simaccel"
    from matplotlib.figure import Figure

    varied = [name for name in AXES if name not in ("rate", "seed") and len({row[name] for row in rows}) > 1]
    lines: dict[str, dict[float, list[int]]] = {}
    for row in rows:
        if row["status"] == "ok":
            label = ", ".join(f"{name.replace('_', ' ')} {row[name]}" for name in varied) or row["latency"]
            lines.setdefault(label, {}).setdefault(parse_rate(row["rate"]), []).append(row["p99_ns"])
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axis: Any = figure.subplots()
    for label, points in list(lines.items())[:MOST_LINES]:
        rates = sorted(points)
        axis.plot(
            [rate / 1e3 for rate in rates], [statistics.mean(points[rate]) / 1e6 for rate in rates], "-o", label=label
        )
    axis.set_xlabel("transactions a second, thousands")
    axis.set_ylabel("p99, ms")
    axis.set_yscale("log")
    axis.grid(alpha=0.25)
    if lines:
        axis.legend(frameon=False, fontsize=8)
    figure.savefig(target, bbox_inches="tight", metadata={"Date": None})
