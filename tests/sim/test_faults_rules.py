"""Rules: when they are met, in which order they are asked, and what comes of one that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine import Engine, OperationError, Scheduler
from hotpath.submittable import Submittable
from sim import Accelerator, Request, UsageError, VirtualClock, When
from sim.faults import PASS, Delay, Fail, Pass, Rule, Verdict
from tests.testing.faulty import Faulty, Noted


def _failed(requests: list[Noted]) -> list[int]:
    return [number for number, request in enumerate(requests, 1) if request.error is not None]


@pytest.mark.parametrize(
    ("when", "failed"),
    [
        ("", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("nth=3", [3]),
        ("every=3", [3, 6]),
        ("every=2,count=2", [2, 4]),
        ("count=2", [1, 2]),
        ("depth=6", [6, 7, 8]),
        ("depth=6,nth=2", [7]),
        ("op=sha256,nth=8", [8]),
        ("op=echo", []),
        ("p=0", []),
        ("p=1,nth=2", [2]),
        ("session=1", []),
    ],
)
def test_when(when: str, failed: list[int]) -> None:
    with Faulty(f"fail:{when}" if when else "fail") as device:
        requests = device.submit(8)
        device.drain()
        assert _failed(requests) == failed


def test_a_time_window_counts_from_the_installation() -> None:
    with Faulty() as device:
        device.clock.advance(1_000_000)
        requests: list[Noted] = []
        with device.accel.faults.install("fail:from=10us,until=30us"):
            for _ in range(4):
                requests += device.submit()
                device.clock.advance(10_000)
        device.drain()
        assert _failed(requests) == [2, 3]


def test_by_session_itself_and_by_its_number() -> None:
    with Faulty("fail:session=2,nth=1") as device:
        first, second = (device.accel.session("hmac", b"k" * 32) for _ in range(2))
        assert (first.id, second.id) == (1, 2)
        with device.accel.faults.install(When(Fail(), session=first, nth=2)):
            requests = [*device.submit(2, "hmac", first), *device.submit(2, "hmac", second), *device.submit(1)]
        device.drain()
        assert _failed(requests) == [2, 3]


def test_probability_is_of_the_seed_and_near_to_what_it_says() -> None:
    def failed(seed: int) -> list[int]:
        with Accelerator(1024, clock=VirtualClock(), seed=seed, faults="fail:p=0.25") as accel:
            requests = [Request("null", b"") for _ in range(1_000)]
            for request in requests:
                accel.prepare(request)
                accel.submit(request)
            accel.close()
            return [number for number, request in enumerate(requests) if request.error is not None]

    assert failed(1) == failed(1) != failed(2)
    assert 180 < len(failed(1)) < 320


def test_a_rule_more_shifts_nothing_in_those_before_it() -> None:
    def failed(*more: str) -> list[int]:
        with Faulty("fail:status=mine,p=0.5", *more, depth=64) as device:
            requests = device.submit(64)
            device.drain()
            return [n for n, request in enumerate(requests) if getattr(request.error, "status", "") == "mine"]

    assert failed() == failed("delay:p=0.5") == failed("fail:p=0.3", "lose:nth=60")


def test_the_first_verdict_that_is_not_pass_wins() -> None:
    asked: list[str] = []

    def rule(name: str, verdict: Verdict) -> Rule:
        def ask(request: Submittable) -> Verdict:
            asked.append(name)
            return verdict

        return ask

    with Faulty(rule("first", Pass()), rule("second", Fail("second")), rule("third", Fail("third"))) as device:
        (request,) = device.submit()
        device.drain()
        assert asked == ["first", "second"]
        assert getattr(request.error, "status", None) == "second"


def test_a_when_counts_for_itself_wherever_it_is_installed() -> None:
    rule = When(Fail(), nth=1)
    for _ in range(2):
        with Faulty(rule) as device:
            requests = device.submit(2)
            device.drain()
            assert _failed(requests) == [1]


def test_a_guard_ends_its_rules_and_no_others() -> None:
    with Faulty("fail:every=5") as device:
        with device.accel.faults.install(Delay(), "fail:nth=1;fail:nth=2") as guard:
            device.submit(2)
            assert guard.fired == 2
        guard.remove()
        requests = device.submit(2)
        device.drain()
        assert _failed(requests) == []
        assert dict(device.accel.faults.counts) == {"delay": 2}


def test_observers_are_told_of_every_fault() -> None:
    seen: list[tuple[str, bytes]] = []
    with Faulty("fail:nth=2", "delay:nth=1") as device:
        device.accel.faults.observe(lambda verdict, request: seen.append((verdict.kind, request.payload)))
        device.submit(3)
        device.drain()
    assert seen == [("delay", b"sha256 0"), ("fail", b"sha256 1")]


def test_a_full_ring_asks_no_rule() -> None:
    with Faulty("fail:nth=3", depth=2) as device:
        requests = device.submit(4)
        device.drain()
        assert _failed(requests) == []
        requests = device.submit(1)
        device.drain()
        assert _failed(requests) == [1]


def _raising(request: Submittable) -> Verdict:
    raise RuntimeError("a rule that raises")


class _Foreign(Verdict):
    kind = "fail"


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (_raising, r"raised RuntimeError\('a rule that raises'\)"),
        (lambda request: None, "answered None"),
        (lambda request: "fail", "answered 'fail'"),
        (lambda request: Fail, "answered <class"),
        (lambda request: _Foreign(), "answered"),
    ],
)
@pytest.mark.parametrize("clock", ["virtual", "real"])
def test_a_wrong_rule_is_told_to_who_submits_and_nothing_is_lost(
    rule: Callable[[Any], Any], message: str, clock: str
) -> None:
    with (
        Accelerator(4, clock=VirtualClock() if clock == "virtual" else None, seed=1) as accel,
        Engine(accel) as engine,
        Scheduler() as sched,
    ):
        with accel.faults.install(rule):
            request = Request("null", b"")
            accel.prepare(request)
            with pytest.raises(UsageError, match=message) as told:
                accel.submit(request)
            assert "\n" not in str(told.value)
            jobs = [sched.spawn(engine.sha256, b"%d" % number) for number in range(6)]
            sched.run()
            assert [type(job.exception) for job in jobs] == [OperationError] * 6
        assert accel.in_flight == 0
        assert accel.statistics().submitted == 0
        assert len(engine.sha256(b"the worker lives on")) == 32


def test_a_wrong_rule_hands_its_turn_for_a_slot_on() -> None:
    """A job that waited for a slot, and whose submit then raises, must not keep the slot it was promised."""

    def refuse_two(request: Submittable) -> Verdict:
        if request.payload == b"refused":
            raise RuntimeError("no")
        return PASS

    with Accelerator(1, latency="fixed:10us", clock=VirtualClock(), seed=1, faults=[refuse_two]) as accel:
        for notify in ("fd", "callback", "poll"):
            with Engine(accel, notify) as engine, Scheduler() as sched:
                jobs = [sched.spawn(engine.sha256, data) for data in (b"1", b"refused", b"2", b"refused", b"3")]
                sched.run()
                assert [job.exception is None for job in jobs] == [True, False, True, False, True]


@pytest.mark.parametrize("rule", [None, 5, Pass(), Fail, [], "", "bogus"])
def test_what_can_not_be_a_rule_is_refused_and_nothing_is_installed(rule: Any) -> None:
    with Faulty() as device:
        with pytest.raises(UsageError):
            device.accel.faults.install("fail", rule)
        requests = device.submit(2)
        device.drain()
        assert _failed(requests) == []
    with pytest.raises(UsageError):
        Accelerator(faults=[rule])


@pytest.mark.parametrize(
    "values",
    [
        {"verdict": "fail"},
        {"verdict": Pass()},
        {"op": ""},
        {"session": 0},
        {"nth": 0},
        {"nth": True},
        {"every": -1},
        {"nth": 1, "every": 2},
        {"probability": 1.5},
        {"probability": float("nan")},
        {"depth": 0},
        {"from_ns": -1},
        {"from_ns": 5, "until_ns": 5},
        {"count": 0},
    ],
)
def test_a_when_that_can_not_be(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as told:
        When(**{"verdict": Fail(), **values})
    assert "\n" not in str(told.value)
