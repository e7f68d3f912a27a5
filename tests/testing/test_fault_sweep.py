"""The sweep finds code that does not stand a fault, and lets code pass that does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import DeadlineError, Engine, OperationError, Scheduler, UsageError
from sim import Accelerator, When
from sim import UsageError as SimUsageError
from sim.faults import KINDS, Corrupt, Fail, Lose, Reject, parse_faults
from simaccel.testing import EVERY_FAULT, sweep


def _careful(accel: Accelerator) -> None:
    """Stands everything: a deadline, and every error is taken for what it is."""
    with Engine(accel, deadline_ns=1_000_000_000) as engine, Scheduler() as sched:

        def job(number: int) -> None:
            for turn in range(2):
                try:
                    engine.sha256(b"%d %d" % (number, turn))
                except (OperationError, DeadlineError):
                    continue

        for number in range(2):
            sched.spawn(job, number)
        sched.run()


def _without_a_deadline(accel: Accelerator) -> None:
    with Engine(accel) as engine, Scheduler() as sched:
        sched.map(engine.sha256, [b"a", b"b"])


def _that_believes_all_goes_well(accel: Accelerator) -> None:
    with Engine(accel, deadline_ns=1_000_000) as engine:
        digests = []
        for data in (b"a", b"b", b"c"):
            try:
                digests.append(engine.sha256(data))
            except DeadlineError:
                digests.append(b"")
        assert len(set(digests)) == 3


def _that_expects_no_failure(accel: Accelerator) -> None:
    with Engine(accel, deadline_ns=1_000_000) as engine, Scheduler() as sched:
        job = sched.spawn(engine.sha256, b"a")
        sched.run()
        assert job.exception is None, "a failure that nobody handles"


def _one_after_the_other(**options: Any) -> Accelerator:
    return Accelerator(latency="fixed:10us", **options)


def _kinds(report_of: Callable[[Accelerator], None]) -> set[str]:
    return {step.rule.verdict.kind for step in sweep(report_of).broken}


def test_every_fault_is_swept_at_every_operation() -> None:
    report = sweep(_careful)
    assert report
    assert report.broken == ()
    assert report.operations == 4
    assert {type(verdict) for verdict in EVERY_FAULT} == set(KINDS.values())
    assert [(step.rule.verdict, step.rule.nth) for step in report.steps] == [
        (verdict, nth) for verdict in EVERY_FAULT for nth in range(1, 5)
    ]
    assert all(step.met for step in report.steps)
    assert str(report) == f"4 operations, {4 * len(EVERY_FAULT)} faults, 0 of which broke the code under test"


def test_code_without_a_deadline_hangs_on_what_never_comes() -> None:
    report = sweep(_without_a_deadline, make=_one_after_the_other)
    assert not report
    assert {step.rule.verdict.kind for step in report.broken} == {"lose", "hold", "lose-interrupt", "stick-doorbell"}
    assert {type(step.error).__name__ for step in report.broken} == {"StalledError"}


def test_code_that_does_not_look() -> None:
    assert _kinds(_that_believes_all_goes_well) == set()
    report = sweep(_that_expects_no_failure, ["fail", Lose()])
    assert [step.fault for step in report.broken] == ["fail:nth=1", "lose:nth=1"]
    assert "fail:nth=1: AssertionError: a failure that nobody handles" in str(report)


def test_a_fault_of_the_report_has_the_failure_again() -> None:
    (first, *_) = sweep(_that_expects_no_failure, ["fail"]).broken
    (rule,) = parse_faults(first.fault)
    assert rule == first.rule == When(Fail(), nth=1)


def test_what_counts_as_told_can_be_said() -> None:
    def scenario(accel: Accelerator) -> None:
        with Engine(accel) as engine:
            engine.sha256(b"a")

    assert sweep(scenario, ["fail"])
    assert not sweep(scenario, ["fail"], told=())


def test_the_device_can_be_made_by_the_caller() -> None:
    depths: set[int] = set()

    def scenario(accel: Accelerator) -> None:
        depths.add(accel.depth)
        _careful(accel)

    assert sweep(scenario, [Corrupt((0,)), Reject()], make=lambda **options: Accelerator(depth=2, **options))
    assert depths == {2}


def test_an_invariant_that_is_broken_is_reported() -> None:
    def scenario(accel: Accelerator) -> None:
        accel._device.counters.completed += bool(accel.faults.counts) or _submit_one(accel)

    def _submit_one(accel: Accelerator) -> int:
        _careful(accel)
        return bool(accel.faults.counts)

    report = sweep(scenario, ["delay"])
    assert [type(step.error).__name__ for step in report.broken] == ["InvariantError"] * 4


def test_what_can_not_be_swept() -> None:
    with pytest.raises(UsageError, match="scenario=5: give a function"):
        sweep(5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="submits nothing"):
        sweep(lambda accel: None)
    with pytest.raises(UsageError, match="the sweep decides when"):
        sweep(_careful, ["fail:nth=3"])
    with pytest.raises(SimUsageError, match="no fault"):
        sweep(_careful, ["bogus"])
    with pytest.raises(ZeroDivisionError):
        sweep(lambda accel: 1 // 0)
