"""Fault rules, observers and signal handlers that use the accelerator in the middle of a submit: no hang."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine import Engine
from engine.errors import ClosedError, OperationError
from sim import Accelerator, UsageError, VirtualClock
from sim.faults import PASS, Fail, Verdict
from sim.faults.injector import Injector
from sim.faults.rules import Rulebook
from sim.submission import Submission
from tests.interrupting import SIGNALS, interrupt_everywhere


class Bench:
    """An accelerator with an engine, and what a rule or a signal handler may do with them."""

    def __init__(self, virtual: bool) -> None:
        self.accel = Accelerator(8, clock=VirtualClock() if virtual else None, seed=1)
        self.engine = Engine(self.accel)
        self.inner: list[Exception] = []
        self.guard: Any = None

    def submit(self) -> None:
        try:
            self.engine.sha256(b"inner")
        except Exception as error:
            self.inner.append(error)

    def end(self) -> None:
        """Both can still be closed, and everything adds up."""
        self.engine.close()
        self.accel.close()
        statistics = self.accel.statistics()
        assert statistics.in_flight == 0
        assert statistics.submitted == statistics.completed + statistics.failed + statistics.orphaned


HARMLESS: dict[str, Callable[[Bench], object]] = {
    "install": lambda bench: bench.accel.faults.install("fail:nth=1000"),
    "uninstall": lambda bench: bench.guard and bench.guard.remove(),
    "release": lambda bench: bench.accel.faults.release(),
    "plug in": lambda bench: bench.accel.faults.plug_in(),
    "observe": lambda bench: bench.accel.faults.observe(lambda verdict, request: None),
    "counts": lambda bench: (bench.accel.faults.counts, bench.accel.faults.held),
    "statistics": lambda bench: bench.accel.statistics(),
    "doorbell": lambda bench: bench.accel.doorbell(),
    "call_at": lambda bench: bench.accel.call_at(0, lambda: None),
}
ENDING: dict[str, Callable[[Bench], object]] = {
    "reset": lambda bench: bench.accel.faults.reset(),
    "remove": lambda bench: bench.accel.faults.remove(),
    "close": lambda bench: bench.accel.close(),
    "close at once": lambda bench: bench.accel.close(drain=False),
    "engine close": lambda bench: bench.engine.close(),
}
SUBMITTING = [
    *(Submission.submit, Submission._push_slowly, Submission._announce),
    *(Injector.arrive, Injector._arrive, Injector._push, Injector.swallow_ring, Rulebook),
]
virtual_or_real = pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "real"])


@virtual_or_real
@pytest.mark.parametrize("as_observer", [False, True])
@pytest.mark.parametrize("what", list(HARMLESS))
def test_a_rule_may_use_the_accelerator(what: str, as_observer: bool, virtual: bool) -> None:
    bench = Bench(virtual)
    verdicts: list[Verdict] = [Fail(), PASS]

    def rule(request: object) -> Verdict:
        if not as_observer:
            HARMLESS[what](bench)
        return verdicts.pop(0) if verdicts else PASS

    bench.guard = bench.accel.faults.install(rule)
    if as_observer:
        bench.accel.faults.observe(lambda verdict, request: HARMLESS[what](bench))
    with pytest.raises(OperationError, match="device-error"):
        bench.engine.sha256(b"x")
    assert bench.engine.sha256(b"x")
    bench.end()


@virtual_or_real
@pytest.mark.parametrize("what", list(ENDING))
def test_a_rule_may_end_the_accelerator(what: str, virtual: bool) -> None:
    bench = Bench(virtual)

    def rule(request: object) -> Verdict:
        ENDING[what](bench)
        return PASS

    bench.accel.faults.install(rule)
    try:
        bench.engine.sha256(b"x")
    except (OperationError, ClosedError):
        pass
    else:
        assert what in ("reset", "remove")  # which may come before the request is on the ring
    bench.end()


@virtual_or_real
@pytest.mark.parametrize("as_observer", [False, True])
def test_a_rule_that_submits_is_told_so(as_observer: bool, virtual: bool) -> None:
    bench = Bench(virtual)

    def rule(request: object) -> Verdict:
        if not as_observer:
            bench.submit()
        return Fail()

    guard = bench.accel.faults.install(rule)
    if as_observer:
        bench.accel.faults.observe(lambda verdict, request: bench.submit())
    with pytest.raises(OperationError, match="device-error"):
        bench.engine.sha256(b"x")
    (error,) = bench.inner
    assert isinstance(error.__cause__, UsageError)
    assert "must not submit" in str(error)
    guard.remove()
    assert bench.engine.sha256(b"x")
    bench.end()


@virtual_or_real
@pytest.mark.parametrize("faulty", [False, True], ids=["fast", "with a rule"])
@pytest.mark.parametrize("what", ["submit", *HARMLESS, *ENDING])
def test_a_signal_handler_may_use_the_accelerator_at_any_instant_of_a_submit(
    what: str, faulty: bool, virtual: bool
) -> None:
    """A submit in a handler may be refused because rules are being asked; everything else works, and nothing hangs."""
    act = {"submit": Bench.submit, **HARMLESS, **ENDING}[what]
    benches: list[Bench] = []

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        bench = Bench(virtual)
        benches[:] = [bench]
        if faulty:
            bench.guard = bench.accel.faults.install("fail:nth=1000")

        def operate() -> None:
            try:
                assert bench.engine.sha256(b"x")
            except (OperationError, ClosedError):
                assert what in ENDING

        yield operate
        if what not in ENDING:
            assert bench.engine.sha256(b"next")
        for error in bench.inner:
            assert faulty
            assert "must not submit" in str(error)
        bench.end()

    interrupt_everywhere(scenario, SUBMITTING, kind=SIGNALS, instead=lambda: act(benches[0]), visits=1)
