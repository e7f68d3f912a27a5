"""A process of its own that kills a worker in the middle of a sweep: `processes` or `dask`. Prints what came of it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from simaccel.load.sweep_grid import Cell, Row, grid, run_cells
from simaccel.load.sweep_workers import by_dask, by_processes


def cells() -> list[Cell]:
    return grid(
        {
            "latency": ["exponential:100us"],
            "rate": ["5k/s", "8k/s"],
            "cards": [1],
            "units": [1],
            "depth": [16],
            "in_flight": [None],
            "policy": ["round-robin"],
            "seed": range(1, 9),
        },
        arrivals="poisson",
        mix="x25519=1",
        count=2_000,
        warm_up=0.1,
    )


def check(batches: Iterator[list[Row]], victim: Any) -> None:
    """Kill a worker after the first batch. Every cell must come once in the end, with its own row."""
    rows: list[Row] = list(next(batches))
    victim()
    for batch in batches:
        rows += batch
    assert Counter(row["number"] for row in rows) == Counter(range(16)), rows
    assert sorted(rows, key=lambda row: int(row["number"])) == run_cells(cells())
    print("each cell once, with its own row")


def main() -> None:
    if sys.argv[1] == "processes":

        def kill_one() -> None:
            multiprocessing.active_children()[0].kill()

        check(by_processes(cells(), 2, 2), kill_one)
        return
    distributed: Any = import_module("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.CRITICAL
    ) as cluster:
        check(
            by_dask(cells(), cluster.scheduler_address, 2, 2),
            lambda: os.kill(cluster.workers[0].pid, signal.SIGKILL),
        )


if __name__ == "__main__":
    main()
