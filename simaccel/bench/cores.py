"""Null operations on all cores and on one core alone, side by side in one run.

Which cores a process may use is decided before it makes a thread. So the process with one core is a child.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from simaccel.bench import child_process
from simaccel.bench.interleaved_rounds import Samples, Turn, interleave
from simaccel.bench.null_operations import jobs_ns, pool_ns, run_in_executor_ns
from simaccel.bench.rig import Rig

ALL, ONE = "two cores", "one core"
"""The names of the columns. "two cores" stands for all that this process may use."""
_JOBS: dict[str, tuple[Any, ...]] = {
    "64 jobs, callback, stackless": ("callback", True, 64, 250),
    "64 jobs, fd, stackless": ("fd", True, 64, 250),
    "64 jobs, fd, stackful": ("fd", False, 64, 250),
    "4,096 jobs, callback, stackless": ("callback", True, 4096, 8),
    "one job, fd, stackful": ("fd", False, 1, 1000),
}
OURS = tuple(_JOBS)


def measure(rig: Rig, rounds: int) -> dict[str, dict[str, Samples]]:
    """The ns for an operation by column and contender."""
    return {ALL: _measured(rig, rounds), ONE: child_process.call(_on_one_core, rig, rounds)}


def _measured(rig: Rig, rounds: int) -> dict[str, Samples]:
    contenders: dict[str, Turn] = {name: partial(jobs_ns, rig, *how) for name, how in _JOBS.items()}
    contenders["64 in flight, ThreadPoolExecutor"] = partial(pool_ns, 64, 8_000)
    contenders["64 in flight, run_in_executor"] = partial(run_in_executor_ns, 64, 40)
    contenders["one call, ThreadPoolExecutor"] = partial(pool_ns, 1, 1_000)
    contenders["one call, run_in_executor"] = partial(run_in_executor_ns, 1, 500)
    return interleave(contenders, rounds)


def _on_one_core(rig: Rig, rounds: int) -> dict[str, Samples]:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return _measured(rig, rounds)
