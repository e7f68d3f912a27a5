"""Exact counts for one operation: system calls, switches, wakes, calls, memory blocks.

They are the same on every machine. They are taken in virtual time, in which one thread does everything in a fixed
order. A second thread adds more, above all the futexes of the GIL, and this does depend on the machine.
strace_counts.py counts it.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from engine import Engine, Scheduler, cleanup_pool
from simaccel.bench import child_process
from simaccel.bench.null_operations import asks, ring_depth
from simaccel.bench.rig import Rig

_JOBS, _FEW, _MANY = 32, 10, 30
SYSTEM_CALLS = frozenset(
    {"eventfd", "eventfd_read", "eventfd_write", "pipe", "read", "write", "close", "set_blocking"}
    | {"epoll.poll", "epoll.register", "epoll.unregister"}
)
"""The names of C functions that make one system call each. The name of a method begins with its type."""


@dataclass(frozen=True, slots=True)
class Counts:
    """For one operation of one of 32 jobs, in the steady state."""

    way: str
    kind: str
    system_calls: float
    by_call: dict[str, float]
    switches: float
    """Switches into a job and out of it."""
    wakes: float
    locks: float
    """How many times a lock was acquired or released."""
    python_calls: float
    """How many times a Python function was entered, or a generator or coroutine went on."""
    c_calls: float
    blocks_in_flight: float
    """Memory blocks held by a job with its wait context and its operation in flight."""
    blocks_left: float
    """Memory blocks that an operation leaves behind: 0, or it leaks."""


def measure(rig: Rig, way: str, kind: str) -> Counts:
    """Count in a new process, because what other code has left in the free lists of the interpreter would count too."""
    counted = child_process.call(_measure, rig, way, kind)
    assert isinstance(counted, Counts)
    return counted


def _measure(rig: Rig, way: str, kind: str) -> Counts:
    _run(rig, way, kind, 1)  # imports and caches of the first run are no cost of an operation
    few, _ = _run(rig, way, kind, _FEW)
    many, wakes = _run(rig, way, kind, _MANY)
    operations = _JOBS * (_MANY - _FEW)
    calls = {name: (many[name] - few[name]) / operations for name in sorted(many) if many[name] != few[name]}
    by_call = {name: count for name, count in calls.items() if name in SYSTEM_CALLS}
    return Counts(
        way,
        kind,
        system_calls=round(sum(by_call.values()), 3),
        by_call={name: round(count, 3) for name, count in by_call.items()},
        switches=round(calls.get("greenlet.switch", 0) if kind == "stackful" else 2 * calls.get("job", 0), 3),
        wakes=round(wakes, 3),
        locks=round(sum(count for name, count in calls.items() if name.startswith(("lock.", "RLock."))), 3),
        python_calls=round(calls.get("python", 0), 3),
        c_calls=round(sum(count for name, count in calls.items() if name not in ("python", "job")), 3),
        blocks_in_flight=round(_blocks_in_flight(rig, way, kind), 1),
        blocks_left=round(_blocks_left(rig, way, kind), 3),
    )


def _run(rig: Rig, way: str, kind: str, each: int) -> tuple[Counter[str], float]:
    """All calls of a run, and the number of wakes for each operation."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call":
            calls["python"] += 1
            calls["job"] += frame.f_code is code  # also when a coroutine goes on
        elif event == "c_call":
            calls[_name(arg)] += 1

    try:
        with ExitStack() as stack:
            engine, scheduler = _set_up(rig, way, stack)
            body = asks(engine, kind == "stackless")
            code = body.__code__
            for _ in range(_JOBS):
                scheduler.spawn(body, each)
            gc.collect()
            gc.disable()  # a collection makes calls that are no part of an operation
            with _counted_foreign(calls):
                sys.setprofile(count)
                try:
                    scheduler.run()
                finally:
                    sys.setprofile(None)
                    gc.enable()
            statistics = engine.statistics
            return calls, statistics.wakes / statistics.operations
    finally:
        cleanup_pool()


@contextmanager
def _counted_foreign(calls: Counter[str]) -> Iterator[None]:
    """Inside the `with`, count the C functions that the engine calls through ctypes. The profiler does not see them."""
    found = [
        (module, name, value)
        for module in [module for key, module in sys.modules.items() if key.startswith("engine.")]
        for name, value in vars(module).items()
        if isinstance(value, ctypes._CFuncPtr)  # type: ignore[attr-defined]
    ]

    def counting(function: Any) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            calls[function.__name__] += 1
            calls["python"] -= 1  # this very function
            return function(*args)

        return call

    for module, name, value in found:
        setattr(module, name, counting(value))
    try:
        yield
    finally:
        for module, name, value in found:
            setattr(module, name, value)


def _blocks_in_flight(rig: Rig, way: str, kind: str) -> float:
    """Memory blocks of a paused job. They are counted when the first job makes its second call, while all others are in
    flight."""
    seen: list[int] = []
    number = 200
    try:
        with ExitStack() as stack:
            engine, scheduler = _set_up(rig, way, stack, number)

            def last() -> None:
                seen.append(sys.getallocatedblocks())

            async def measuring() -> None:
                last()

            scheduler.spawn(measuring)
            for _ in range(number):
                scheduler.spawn(asks(engine, kind == "stackless"), 1)
            scheduler.spawn(measuring)
            gc.collect()
            gc.disable()
            try:
                scheduler.run()
            finally:
                gc.enable()
            return (seen[1] - seen[0]) / number
    finally:
        cleanup_pool()


def _blocks_left(rig: Rig, way: str, kind: str) -> float:
    """How many memory blocks an operation leaves behind when everything is closed."""
    left = array("q", bytes(3 * 8))  # not a list: the ints in it would be blocks themselves
    for place, each in enumerate((_FEW, _FEW, _MANY)):
        _run(rig, way, kind, each)
        gc.collect()
        left[place] = sys.getallocatedblocks()
    return (left[2] - left[1]) / (_JOBS * (_MANY - _FEW))


def _set_up(rig: Rig, way: str, stack: ExitStack, in_flight: int = _JOBS) -> tuple[Engine, Scheduler]:
    accel = stack.enter_context(rig.accelerator(depth=ring_depth(in_flight), seed=1, clock=rig.virtual_clock()))
    engine = stack.enter_context(Engine(accel, notify=way))
    return engine, stack.enter_context(Scheduler())


def _name(function: Any) -> str:
    """The name of a C function, with its type if it is a method."""
    owner = getattr(function, "__self__", None)
    if owner is None or type(owner).__name__ == "module":
        return str(function.__name__)
    return f"{type(owner).__name__}.{function.__name__}"
