"""Rows: virtual time and the search of schedules. Rates and not ratios: they say how much a test suite can afford."""

from __future__ import annotations

import os
import subprocess
import sys
from time import perf_counter_ns

from hotpath.choice import VARIABLE
from simaccel.bench.figure import Row, RowResult, at_least
from simaccel.bench.interleaved_rounds import Samples, interleave
from simaccel.bench.python_turns import SUFFIX, both
from simaccel.bench.rig import Rig

_SCHEDULES = 1_000


def _virtual_time(rig: Rig, rounds: int) -> RowResult:
    # simaccel.testing makes a device of its own, so it is only loaded for this row.
    from simaccel.testing.virtual_time_rate import virtual_operation_ns

    times = interleave(both("jobs", virtual_operation_ns), rounds)
    rates = {name: Samples(tuple(1e9 / ns for ns in taken.values)) for name, taken in times.items()}
    figure = at_least(
        "operations a second, callback, stackless", rates["jobs"], 691_000.0, "/s", rates.get("jobs" + SUFFIX)
    )
    return RowResult([figure], times)


def explore_rate() -> float:
    """Schedules a second. Needs the Python of the hot path, because `explore` steps through its statements."""
    from simaccel.testing import explore
    from simaccel.testing.models import MODELS

    model = MODELS["two_jobs_qat"]
    before_ns = perf_counter_ns()
    schedules = explore(model, preemptions=2, max_schedules=_SCHEDULES).schedules
    return schedules * 1e9 / (perf_counter_ns() - before_ns)


def _explore_rate_in_python() -> float:
    """The same in a process of its own, which runs the Python also where the hot path is compiled."""
    command = [sys.executable, "-c", f"from {__name__} import explore_rate; print(explore_rate())"]
    environment = {**os.environ, VARIABLE: "1"}
    return float(subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout)


def _explore(rig: Rig, rounds: int) -> RowResult:
    rates = interleave({"explore": _explore_rate_in_python}, rounds)["explore"]
    return RowResult([at_least("schedules a second", rates, 2_000.0, "/s")])


ROWS = (
    Row("virtual-time", "null kernel through Scheduler in virtual time, one core", "C", _virtual_time, 5),
    Row("explore", "every order of two jobs, every statement a step", "C", _explore, 5),
)
