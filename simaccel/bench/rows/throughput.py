"""Rows: null operations through the worker thread, against executors of one worker thread, and against each other."""

from __future__ import annotations

from functools import partial

from simaccel.bench.figure import Figure, Row, RowResult, at_least, at_most
from simaccel.bench.interleaved_rounds import Samples, Turn, interleave, ratio
from simaccel.bench.null_operations import jobs_ns, pool_ns, run_in_executor_ns
from simaccel.bench.python_turns import SUFFIX, both, in_python
from simaccel.bench.rig import Rig

POOL, EXECUTOR = "ThreadPoolExecutor", "run_in_executor"
_POOL_DEFAULT, _EXECUTOR_DEFAULT = f"{POOL}, default size", f"{EXECUTOR}, default size"


def _peers(jobs: int, each: int) -> dict[str, Turn]:
    """Executors with one worker thread, like the device; and for information the pool that Python makes by default."""
    count = jobs * each
    return {
        POOL: partial(pool_ns, jobs, count),
        EXECUTOR: partial(run_in_executor_ns, jobs, max(each // 3, 2)),
        _POOL_DEFAULT: partial(pool_ns, jobs, count, None),
        _EXECUTOR_DEFAULT: partial(run_in_executor_ns, jobs, max(each // 3, 2), None),
    }


def _faster(times: dict[str, Samples], ours: str, than: str, target: float) -> Figure:
    return _rate(f"times the rate of {than}", times, ours, than, target)


def _rate(what: str, times: dict[str, Samples], ours: str, than: str, target: float) -> Figure:
    beside = in_python(times, ours, than, faster=True)
    return at_least(what, ratio(times[than], times[ours]), target, in_python=beside)


def _notes(times: dict[str, Samples]) -> list[str]:
    """How long the same takes in Python, if the hot path is compiled."""
    return [
        f"{name}: {ratio(taken, times[name.removesuffix(SUFFIX)]).median:.2f} times as long as compiled"
        for name, taken in times.items()
        if name.endswith(SUFFIX)
    ]


def _fd(rig: Rig, rounds: int) -> RowResult:
    times = interleave(
        {
            **both("fd", jobs_ns, rig, "fd", False, 64, 250),
            **both("fd, stackless", jobs_ns, rig, "fd", True, 64, 250),
            **_peers(64, 250),
        },
        rounds,
    )
    figures = [
        _rate(f"{kind}: times the rate of {than}", times, ours, than, target)
        for kind, ours, than, target in (
            ("stackless", "fd, stackless", EXECUTOR, 4.5),
            ("stackless", "fd, stackless", POOL, 1.4),
            ("stackful", "fd", EXECUTOR, 3.5),
            ("stackful", "fd", POOL, 1.1),
        )
    ]
    return RowResult(figures, times, _notes(times))


def _callback(rig: Rig, rounds: int) -> RowResult:
    times = interleave(
        {
            **both("callback", jobs_ns, rig, "callback", True, 64, 600),
            **both("callback, stackful", jobs_ns, rig, "callback", False, 64, 600),
            **_peers(64, 250),
        },
        rounds,
    )
    return RowResult(
        [_faster(times, "callback", EXECUTOR, 12.0), _faster(times, "callback", POOL, 3.0)], times, _notes(times)
    )


def _callback_many(rig: Rig, rounds: int) -> RowResult:
    times = interleave(
        {
            **both("callback", jobs_ns, rig, "callback", True, 4096, 20),
            POOL: partial(pool_ns, 4096, 40_000),
            _POOL_DEFAULT: partial(pool_ns, 4096, 40_000, None),
        },
        rounds,
    )
    return RowResult([_faster(times, "callback", POOL, 4.0)], times, _notes(times))


def _one(rig: Rig, rounds: int) -> RowResult:
    times = interleave({**both("fd", jobs_ns, rig, "fd", False, 1, 2000), **_peers(1, 2000)}, rounds)
    return RowResult([_faster(times, "fd", EXECUTOR, 1.4)], times, _notes(times))


def _assisted_one(rig: Rig, rounds: int) -> RowResult:
    ours = partial(jobs_ns, assist=True)
    times = interleave(
        {
            **both("callback", ours, rig, "callback", True, 1, 2000),
            **both("fd", ours, rig, "fd", False, 1, 2000),
            EXECUTOR: partial(run_in_executor_ns, 1, 666),
        },
        rounds,
    )
    figures = [
        at_least(f"by {name}: times the rate of {EXECUTOR}", ratio(times[EXECUTOR], times[name]), target)
        for name, target in (("callback", 5.0), ("fd", 3.0))
    ]
    return RowResult(figures, times, _notes(times))


def _assisted_many(rig: Rig, rounds: int) -> RowResult:
    ours = partial(jobs_ns, assist=True)
    times = interleave(
        {
            **both("callback", ours, rig, "callback", True, 64, 600),
            **both("fd", ours, rig, "fd", True, 64, 250),
            POOL: partial(pool_ns, 64, 16_000),
        },
        rounds,
    )
    return RowResult([_faster(times, "callback", POOL, 5.0)], times, _notes(times))


def _callback_against_fd(rig: Rig, rounds: int) -> RowResult:
    contenders: dict[str, Turn] = {}
    for kind, stackless in (("stackless", True), ("stackful", False)):
        for notify in ("callback", "fd"):
            contenders[f"{notify}, {kind}"] = partial(jobs_ns, rig, notify, stackless, 64, 250)
    times = interleave(contenders, rounds)
    figures = [
        at_least(f"times the rate of fd, {kind}", ratio(times[f"fd, {kind}"], times[f"callback, {kind}"]), 1.8)
        for kind in ("stackless", "stackful")
    ]
    return RowResult(figures, times)


def _flat(many: int, few: int, each: int, target: float, rig: Rig, rounds: int) -> RowResult:
    repeat = max(1, min(many, 20_000) // few)
    times = interleave(
        {
            **both(f"{few:,} in flight", partial(jobs_ns, repeat=repeat), rig, "callback", True, few, each),
            **both(f"{many:,} in flight", jobs_ns, rig, "callback", True, many, each),
        },
        rounds,
    )
    samples = ratio(times[f"{many:,} in flight"], times[f"{few:,} in flight"])
    beside = None
    if (of_many := times.get(f"{many:,} in flight{SUFFIX}")) is not None:
        beside = ratio(of_many, times[f"{few:,} in flight{SUFFIX}"])
    return RowResult([at_most(f"times the cost at {few:,}", samples, target, in_python=beside)], times)


def _floor(rig: Rig, rounds: int) -> RowResult:
    kinds = {"stackful": False, "stackless": True}
    ways = {"fd": 2.0, "callback": 4.0}
    contenders = {
        f"{way}, {kind}": partial(jobs_ns, rig, way, stackless, 64, 250)
        for way in ways
        for kind, stackless in kinds.items()
    }
    times = interleave({**contenders, EXECUTOR: partial(run_in_executor_ns, 64, 80)}, rounds)
    figures = [
        at_least(f"{name}: times the rate of {EXECUTOR}", ratio(times[EXECUTOR], times[name]), ways[name.split(",")[0]])
        for name in contenders
    ]
    return RowResult(figures, times)


ROWS = (
    Row("fd-64", "null kernel, 64 jobs, fd", "D", _fd),
    Row("callback-64", "null kernel, 64 jobs, callback, stackless", "D", _callback),
    Row("callback-4096", "null kernel, 4,096 jobs, callback, stackless", "D", _callback_many, 5),
    Row("fd-1", "null kernel, depth 1, fd", "D", _one),
    Row("assist-1", "with assist, null kernel, depth 1", "D", _assisted_one),
    Row("assist-64", "with assist, null kernel, 64 jobs, callback, stackless", "D", _assisted_many),
    Row("callback-against-fd", "callback against fd, 64 jobs", "D", _callback_against_fd),
    Row("flat-100000", "cost an operation at 100,000 in flight", "D", partial(_flat, 100_000, 1_000, 4, 1.3), 5),
    Row("floor-64", "null kernel, 64 jobs, both kinds of jobs", "A", _floor),
    Row("flat-10000", "cost an operation at 10,000 in flight", "A", partial(_flat, 10_000, 100, 10, 1.5), 5),
)
