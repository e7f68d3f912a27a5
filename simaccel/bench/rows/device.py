"""Rows: a device with a timing model. How close it comes to its model, and how much CPU it uses while it waits."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from time import perf_counter_ns
from typing import Any

from engine import Engine, Scheduler
from simaccel.bench.bare_request import TimedRequest
from simaccel.bench.figure import Row, RowResult, at_least, at_most
from simaccel.bench.interleaved_rounds import Samples, interleave
from simaccel.bench.null_operations import asks
from simaccel.bench.rig import Rig

_MODEL_RATE = 8_000
_PUBLISHED = 20_020.2 / 940.7
"""QAT_Engine #71, RSA-2048 sign on a DH895xCC: with async jobs, and one at a time."""


def _busy(rig: Rig, notify: str, stackless: bool, each: int) -> tuple[float, float]:
    """Operations/s and CPU seconds per second, with 64 jobs on 8 units and a service of 1 ms."""
    with ExitStack() as stack:
        accel = stack.enter_context(rig.accelerator(depth=256, units=8, latency="fixed:1ms"))
        engine = stack.enter_context(Engine(accel, notify=notify))
        scheduler = stack.enter_context(Scheduler())
        for _ in range(64):
            scheduler.spawn(asks(engine, stackless), each)
        before_ns, cpu_before_ns = perf_counter_ns(), time.process_time_ns()
        scheduler.run()
        took_ns, cpu_ns = perf_counter_ns() - before_ns, time.process_time_ns() - cpu_before_ns
        return 64 * each * 1e9 / took_ns, cpu_ns / took_ns


def _device(rig: Rig, rounds: int) -> RowResult:
    ways = {"fd": ("fd", False), "callback": ("callback", True)}
    cpus: dict[str, list[float]] = {way: [] for way in ways}

    def turn(way: str) -> float:
        rate, cpu = _busy(rig, *ways[way], each=64)
        cpus[way].append(cpu * 100)
        return rate / _MODEL_RATE * 100

    rates = interleave({way: lambda way=way: turn(way) for way in ways}, rounds)  # type: ignore[misc]
    figures = []
    for way, kind in (("fd", "fd, stackful"), ("callback", "callback, stackless")):
        figures.append(at_least(f"of 8,000/s, {kind}", rates[way], 97.0, "%"))
        figures.append(at_most(f"of a core, {kind}", Samples(tuple(cpus[way][1:])), 25.0, "%"))
    return RowResult(figures)


def _lateness_us(rig: Rig) -> float:
    """How late a completion was handed out: the median of 100 completions, one at a time."""
    late_ns = []
    with rig.accelerator(depth=64, latency="fixed:1ms") as accel:
        for _ in range(100):
            probe = TimedRequest("null")
            accel.prepare(probe)
            accel.submit(probe)
            while not probe.done:
                time.sleep(0.0003)
            late_ns.append(probe.delivered_ns - probe.finished_ns)
    return statistics.median(late_ns) / 1000


def _lateness(rig: Rig, rounds: int) -> RowResult:
    late = interleave({"late": lambda: _lateness_us(rig)}, rounds)["late"]
    return RowResult([at_most("late, in the median", late, 100.0, "us")], notes=["needs an idle machine"])


def _sync_and_async(rig: Rig, clock: Any, one_at_a_time: int, each: int) -> float:
    """The rate that async jobs reach with the preset of a card, as a multiple of that of one operation at a time."""
    with ExitStack() as stack:
        accel = stack.enter_context(rig.accelerator(depth=256, latency="preset:qat-dh895xcc", clock=clock))
        # All time is that of the model. A real signature takes as long on this machine as on the card, so twenty at
        # once would be too slow.
        accel.register("rsa-sign", _sign, replace=True)
        engine = stack.enter_context(Engine(accel, notify="callback"))
        now_ns = accel.clock.now_ns
        before_ns = now_ns()
        for _ in range(one_at_a_time):
            engine.call("rsa-sign", b"m")
        sync_rate = one_at_a_time / (now_ns() - before_ns)
        scheduler = stack.enter_context(Scheduler())
        for _ in range(64):
            scheduler.spawn(asks(engine, True, "rsa-sign", b"m"), each)
        before_ns = now_ns()
        scheduler.run()
        async_rate = 64 * each / (now_ns() - before_ns)
        return float(async_rate / sync_rate)


def _sign(message: bytes) -> bytes:
    return message


def _preset(rig: Rig, rounds: int) -> RowResult:
    ratios = interleave(
        {
            "real time": lambda: _sync_and_async(rig, None, 200, 100),
            "virtual time": lambda: _sync_and_async(rig, rig.virtual_clock(), 200, 100),
        },
        rounds,
    )
    figures = []
    for how, samples in ratios.items():
        off = Samples(tuple(abs(value / _PUBLISHED - 1) * 100 for value in samples.values))
        figures.append(at_most(f"off the published {_PUBLISHED:.1f}, {how}", off, 10.0, "%"))
    notes = [f"{how}: async jobs give {samples.median:.2f} times one at a time" for how, samples in ratios.items()]
    return RowResult(figures, notes=notes)


ROWS = (
    Row("device", "device with 8 units and a service of 1 ms, 64 jobs", "D", _device, 5),
    Row("lateness", "lateness of a modelled completion, idle machine", "D", _lateness, 5),
    Row("preset", "async against sync, preset:qat-dh895xcc", "D", _preset, 3),
)
