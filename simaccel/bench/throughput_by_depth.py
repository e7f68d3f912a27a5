"""Throughput over the number in flight: our ways and the peers, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

from engine.modes import MODES
from simaccel.bench.cost_split import IN_FLIGHT, raise_fd_limit
from simaccel.bench.interleaved_rounds import Samples, Turn, interleave
from simaccel.bench.null_operations import gevent_ns, jobs_ns, pool_ns, run_in_executor_ns
from simaccel.bench.rig import Rig

OURS = {
    "callback, stackless": ("callback", True),
    "callback, stackful": ("callback", False),
    "external polling, stackless": ("poll", True),
    "heuristic polling, stackless": ("heuristic", True),
    "fd, stackless": ("fd", True),
    "fd, stackful": ("fd", False),
    "pipe, stackful": ("pipe", False),
}
PEERS = ("ThreadPoolExecutor", "run_in_executor, asyncio", "run_in_executor, uvloop", "gevent threadpool")
_COUNT = {1: 1_000, 8: 4_000}
_FULL_COUNT = 16_384


@dataclass(frozen=True, slots=True)
class Depth:
    """The time for an operation by contender, with this many in flight."""

    in_flight: int
    times_ns: dict[str, Samples]


def measure(rig: Rig, in_flight: int, rounds: int) -> Depth:
    """Measure with `in_flight` operations in flight. Contenders for which fds or a package are missing are left out."""
    count = _COUNT.get(in_flight, _FULL_COUNT)
    each = max(2, count // in_flight)
    contenders: dict[str, Turn] = {}
    for name, (notify, stackless) in OURS.items():
        if MODES[notify].fds_each * in_flight + 64 <= raise_fd_limit():
            contenders[name] = partial(jobs_ns, rig, notify, stackless, in_flight, each)
    few = max(1, each // 4)
    contenders["ThreadPoolExecutor"] = partial(pool_ns, in_flight, in_flight * each)
    contenders["run_in_executor, asyncio"] = partial(run_in_executor_ns, in_flight, few)
    if find_spec("uvloop"):
        import uvloop

        contenders["run_in_executor, uvloop"] = partial(run_in_executor_ns, in_flight, few, loop=uvloop.new_event_loop)
    if find_spec("gevent"):
        contenders["gevent threadpool"] = partial(gevent_ns, in_flight, few)
    return Depth(in_flight, interleave(contenders, rounds if in_flight < IN_FLIGHT[-1] else min(rounds, 3)))


def missing_peers() -> list[str]:
    """Messages about peers that are not installed here."""
    return [
        f"{name} is not installed: pip install 'simaccel[bench]'"
        for name in ("uvloop", "gevent")
        if not find_spec(name)
    ]
