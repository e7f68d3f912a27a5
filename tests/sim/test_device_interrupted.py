"""Ctrl-C, a failed allocation or a full stack anywhere in the device: nothing is lost, nothing comes twice.

In virtual time and with polling it is the user's own thread that moves the device, so all of these can come between any
two steps. In the worker's thread no Ctrl-C comes; there the device may fail all that is in flight, but must tell.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

import sim.clock
import sim.completion
import sim.device
import sim.faults.effects
import sim.faults.handlers
import sim.faults.injector
import sim.gate
import sim.interrupt
import sim.ring
import sim.schedule
import sim.submission
import sim.timers
import sim.worker
from sim import Accelerator, Coalescing, Request, SimError, VirtualClock
from sim.unraisable import ForeignCalls
from tests.interrupting import LINES, SIGNALS, interrupt_everywhere
from tests.sim.sim_requests import Completions, Told

DEVICE = [
    *(sim.completion, sim.device, sim.gate, sim.interrupt, sim.ring, sim.schedule, sim.submission, sim.timers),
    *(sim.faults.effects, sim.faults.handlers, sim.faults.injector, sim.clock, ForeignCalls),
    *(Accelerator.poll, Accelerator.detach, Accelerator.call_at),
]
FAULTS = {
    "none": "",
    "none, at once": "",
    "fail": "fail:nth=2",
    "lose and reset": "lose:nth=1; reset:nth=3",
    "hold": "hold:nth=2",
    "duplicate": "duplicate:nth=1",
    "reorder": "reorder:nth=1",
    "early wake": "early-wake:nth=2",
    "stick": "stick-doorbell:nth=2",
}
at_each_place = pytest.mark.parametrize(
    ("kind", "error"),
    [(SIGNALS, KeyboardInterrupt), (LINES, MemoryError)],
    ids=["ctrl-c", "memory"],
)


def run(clock: VirtualClock, accel: Accelerator, polled: bool) -> None:
    while clock.jump() or (polled and accel.poll()):
        pass


@at_each_place
@pytest.mark.usefixtures("reported")
@pytest.mark.parametrize("polled", [False, True], ids=["interrupt", "polled"])
@pytest.mark.parametrize("faults", list(FAULTS))
def test_an_exception_anywhere_loses_nothing(faults: str, polled: bool, kind: str, error: type[BaseException]) -> None:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        clock = VirtualClock()
        accel = Accelerator(
            8,
            2,
            None if faults == "none, at once" else "fixed:10us",
            clock=clock,
            seed=1,
            faults=FAULTS[faults],
            coalescing=Coalescing(2, 5_000),
        )
        told = Told(accel)
        accel.attach(told.freed.append, polled=polled)
        called: list[int] = []

        def act() -> None:
            for payload in (b"a", b"b", b"c"):
                told.submit(payload)
            accel.call_at(12_000, lambda: called.append(1))
            run(clock, accel, polled)
            accel.faults.release()
            run(clock, accel, polled)

        yield act
        run(clock, accel, polled)
        assert told.submit(b"next") or told.submit(b"next again")
        last = told.submitted[-1]
        accel.faults.release()
        run(clock, accel, polled)
        if "lose" not in faults:
            assert told.count[id(last)] >= 1
            assert last.result == b"next" or last.error is not None  # it may be the one that a rule is for
        accel.close()
        told.check(doubles=1 if faults == "duplicate" else 0)
        assert len(called) <= 2  # a call in which an exception came is made once more

    interrupt_everywhere(scenario, DEVICE, error, kind=kind, visits=1)


@at_each_place
@pytest.mark.usefixtures("reported")
def test_an_exception_anywhere_in_close_is_made_good_by_the_next(kind: str, error: type[BaseException]) -> None:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        clock = VirtualClock()
        accel = Accelerator(8, 1, "fixed:10us", clock=clock, seed=1, faults="lose:nth=2")
        told = Told(accel)
        accel.attach(told.freed.append, polled=False)
        for payload in (b"a", b"b", b"c"):
            assert told.submit(payload)
        called: list[int] = []
        accel.call_at(1_000_000_000, lambda: called.append(1))
        yield accel.close
        accel.close()
        assert accel.closed
        with pytest.raises(SimError):
            told.submit(b"late")
        told.check()
        assert called

    interrupt_everywhere(scenario, [*DEVICE, Accelerator.close, Accelerator._drain], error, kind=kind, visits=2)


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
@pytest.mark.parametrize("latency", [None, "fixed:1us"])
def test_an_exception_anywhere_in_the_worker_tells_all(
    latency: str | None, error: type[BaseException], reported: list[BaseException]
) -> None:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        accel = Accelerator(8, 2, latency, seed=1)
        completions = Completions(accel)
        sent: list[Request] = []

        def act() -> None:
            for payload in (b"a", b"b", b"c"):
                request = completions.request("echo", payload)
                try:
                    accel.submit(request)
                except SimError:  # it has crashed
                    return
                sent.append(request)
            completions.wait(len(sent))

        yield act
        accel.close()
        assert sorted(map(id, completions.done)) == sorted(map(id, sent))
        statistics = accel.statistics()
        assert statistics.in_flight == 0
        assert statistics.submitted == statistics.completed + statistics.failed == len(sent)

    watched = [
        *(sim.completion, sim.device, sim.interrupt, sim.ring, sim.schedule, sim.timers),
        *(ForeignCalls, sim.worker.Worker._run),
    ]
    interrupt_everywhere(scenario, watched, error, kind=LINES, visits=1, new_threads=True)


@at_each_place
@pytest.mark.parametrize("faults", ["", "fail:nth=99"], ids=["fast", "slow"])
@pytest.mark.parametrize("doorbell", [False, True], ids=["submit", "doorbell"])
def test_what_got_a_slot_completes_though_an_exception_came_before_the_doorbell(
    doorbell: bool, faults: str, kind: str, error: type[BaseException]
) -> None:
    """In real time, with a worker that sleeps, and a full ring: nobody will submit anything that would wake it."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        accel = Accelerator(1, seed=1, faults=faults)
        completions = Completions(accel)
        completions.submit()
        completions.wait()
        while not accel._worker.asleep:  # type: ignore[union-attr]
            os.sched_yield()
        request = completions.request()

        def act() -> None:
            if doorbell:
                if accel.enqueue(request):
                    accel.doorbell()
            else:
                accel.submit(request)

        yield act
        if accel.statistics().submitted == 2:
            if doorbell:
                accel.doorbell()  # it may not have come so far as to ring
            completions.wait()
            assert completions.done[-1] is request
        accel.close()

    interrupt_everywhere(scenario, [sim.submission, sim.worker.Worker.wake], error, kind=kind)


@at_each_place
@pytest.mark.usefixtures("reported")
def test_a_jump_that_moved_something_says_so_also_after_an_exception(kind: str, error: type[BaseException]) -> None:
    """Whoever polls takes False for the end of all: it would leave what the jump has completed on its ring."""

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        clock = VirtualClock()
        accel = Accelerator(8, 2, "fixed:10us", clock=clock, seed=1)
        told = Told(accel)
        accel.attach(told.freed.append, polled=True)
        for payload in (b"a", b"b", b"c"):
            assert told.submit(payload)
        yield lambda: run(clock, accel, True)
        while accel.poll() or clock.jump():
            pass
        assert accel.poll() == 0
        accel.close()
        told.check()

    interrupt_everywhere(scenario, [*DEVICE, sim.clock], error, kind=kind)
