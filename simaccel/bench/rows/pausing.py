"""Rows: pausing and resuming without a device, against a bare greenlet and against OpenSSL's own jobs in C."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from simaccel.bench import openssl_jobs, pause_resume
from simaccel.bench.figure import Row, RowResult, at_most
from simaccel.bench.interleaved_rounds import interleave, ratio
from simaccel.bench.python_turns import both, in_python
from simaccel.bench.rig import Rig

_COUNT = 30_000
_C_COUNT = 300_000
_ROUNDS = 31
"""A turn takes 10 ms, so one neighbour's burst can spoil it. Many turns cost little."""


def _stackful_pair(rig: Rig, rounds: int) -> RowResult:
    times = interleave(
        {
            **both("stackful pair", pause_resume.stackful_pair_ns, _COUNT),
            "bare greenlet pair": partial(pause_resume.greenlet_pair_ns, _COUNT),
        },
        rounds,
    )
    figure = at_most(
        "times a bare greenlet switch pair",
        ratio(times["stackful pair"], times["bare greenlet pair"]),
        1.2,
        in_python=in_python(times, "stackful pair", "bare greenlet pair", faster=False),
    )
    return RowResult([figure], times)


def _measure_against_c(
    ours: Callable[[int], float], name: str, what: str, target: float, rig: Rig, rounds: int
) -> RowResult:
    contenders = both(name, ours, _COUNT)
    missing = openssl_jobs.missing()
    if missing is None:
        contenders["OpenSSL in C"] = partial(openssl_jobs.turn_ns, what, _C_COUNT)
    times = interleave(contenders, rounds)
    if missing is not None:
        return RowResult([at_most("times OpenSSL's in C", None, target)], times, [missing])
    figure = at_most(
        "times OpenSSL's in C",
        ratio(times[name], times["OpenSSL in C"]),
        target,
        in_python=in_python(times, name, "OpenSSL in C", faster=False),
    )
    return RowResult([figure], times)


ROWS = (
    Row("stackful-pair", "stackful pause/resume pair, through start_job/resume", "D", _stackful_pair, _ROUNDS),
    Row(
        "stackless-pair",
        "stackless pause/resume pair",
        "D",
        partial(_measure_against_c, pause_resume.stackless_pair_ns, "stackless pair", "pair", 2.9),
        _ROUNDS,
    ),
    Row(
        "callback-cycle",
        "stackless whole cycle by callback, no device",
        "D",
        partial(_measure_against_c, pause_resume.stackless_callback_cycle_ns, "stackless cycle", "callback", 6.8),
        _ROUNDS,
    ),
    Row(
        "eventfd-cycle",
        "stackful whole cycle by eventfd, no device",
        "D",
        partial(_measure_against_c, pause_resume.stackful_eventfd_cycle_ns, "stackful cycle", "eventfd", 4.2),
        _ROUNDS,
    ),
)
