"""What a fleet does when its members reset, stall, fail or go: nothing is lost, and nothing ends twice."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections.abc import Callable, Iterator

import pytest

from engine import Engine, Scheduler
from sim import Accelerator, ClosedError, Request, SimError, VirtualClock
from simaccel.fleet import POLICIES, Fleet, FleetDownError
from tests.fleet.under_faults import Storm

COUNT = 1_000_000 if os.environ.get("SIMACCEL_SOAK_SECONDS") else 2_500


@pytest.mark.watchdog(600 + COUNT / 100)
@pytest.mark.parametrize(("policy", "software"), list(zip(POLICIES, (False, True, False, True), strict=True)))
def test_every_request_ends_once_and_right(policy: str, software: bool) -> None:
    outcome = Storm(1, COUNT, policy, software=software).run()
    assert outcome.ended == [1] * COUNT
    assert not outcome.wrong
    statistics = outcome.statistics
    assert statistics is not None
    assert statistics.failovers > 10
    assert len(outcome.troubles) == 8, outcome.troubles
    total = statistics.total
    assert (total.submitted, total.completed, total.failed, total.in_flight) == (COUNT, COUNT, 0, 0)
    assert dict(total.by_op) == {"echo": COUNT}
    assert sum(member.downs for member in statistics.members) >= 2
    assert sum(member.ups for member in statistics.members) >= 2


MS = 1_000_000


class Pair:
    """Two devices on one clock, as a fleet; requests that record what becomes of them."""

    def __init__(self, *, software: bool = False, policy: str = "round-robin", latency: str = "fixed:10us") -> None:
        self.clock = VirtualClock()
        self.first, self.second = (Accelerator(8, 2, latency, clock=self.clock, seed=1) for _ in range(2))
        self.fleet = Fleet([self.first, self.second], policy, software=software, patience_ns=2 * MS, retry_ns=5 * MS)
        self.ended: list[Request] = []

    def send(self, count: int = 1, op: str = "echo", session: object = None) -> list[Request]:
        """Submit so many."""
        requests = [Request(op, bytes([number]), session=session, on_complete=self._note) for number in range(count)]  # type: ignore[arg-type]
        for request in requests:
            self.fleet.prepare(request)
            assert self.fleet.submit(request)
        return requests

    def _note(self, request: Request) -> None:
        self.ended.append(request)

    def counts(self) -> tuple[int, int]:
        """What each device has completed, probes aside."""
        return tuple(accel.statistics().by_op.get("echo", 0) for accel in (self.first, self.second))  # type: ignore[return-value]

    def up(self) -> list[bool]:
        """Which members are up."""
        return [member.up for member in self.fleet.members]


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    with made.fleet:
        yield made


def test_what_a_stalled_device_has_goes_to_another_and_its_late_completion_to_nobody(pair: Pair) -> None:
    guard = pair.first.faults.install("hold")
    requests = pair.send(4)
    pair.clock.advance(1 * MS)
    assert len(pair.ended) == 2
    pair.clock.advance(3 * MS)
    assert sorted(pair.ended, key=requests.index) == requests
    assert pair.up() == [False, True]
    assert "completed nothing for 2 ms" in pair.fleet.members[0].why_down
    guard.remove()
    pair.clock.advance(1 * MS)
    assert len(pair.ended) == 4
    assert pair.first.statistics().orphaned == 2
    assert all(request.error is None and request.result == request.payload for request in requests)


def test_a_device_that_is_pulled_out_comes_back_when_it_is_plugged_in(pair: Pair) -> None:
    pair.first.faults.remove()
    requests = pair.send(2)
    pair.clock.advance(MS)
    assert len(pair.ended) == 2
    assert [request.error for request in requests] == [None, None]
    assert pair.up() == [False, True]
    pair.clock.advance(6 * MS)
    pair.send()  # asks it, in vain
    pair.first.faults.plug_in()
    pair.clock.advance(6 * MS)
    pair.send()  # asks it once more
    pair.clock.advance(MS)
    assert pair.up() == [True, True]
    before = pair.counts()
    pair.send(4)
    pair.clock.advance(MS)
    assert [after - count for after, count in zip(pair.counts(), before, strict=True)] == [2, 2]
    (first, second) = pair.fleet.statistics().members
    assert (first.downs, first.ups, second.downs) == (1, 1, 0)


def test_a_reset_costs_its_requests_time_and_nothing_else(pair: Pair) -> None:
    requests = pair.send(8)
    pair.first.faults.reset()
    pair.clock.advance(MS)
    assert len(pair.ended) == 8
    assert all(request.error is None for request in requests)
    assert pair.fleet.statistics().failovers == 4


def test_a_device_that_fails_half_of_its_requests_gets_no_more(pair: Pair) -> None:
    pair.first.faults.install("fail:every=2")
    for _ in range(40):
        pair.send(2)
        pair.clock.advance(MS // 10)
    assert len(pair.ended) == 80
    assert all(request.error is None for request in pair.ended)
    assert pair.fleet.members[0].downs >= 1
    assert "half of its latest completions failed" in pair.fleet.members[0].why_down or pair.up()[0]


def test_what_a_request_itself_does_wrong_is_told_and_blames_no_device(pair: Pair) -> None:
    def fails(data: bytes) -> bytes:
        raise ArithmeticError("of the request's own")

    pair.fleet.register("fails", fails)
    for _ in range(20):
        (request,) = pair.send(op="fails")
        pair.clock.advance(MS)
        assert isinstance(request.error, ArithmeticError)
    assert pair.up() == [True, True]
    assert pair.fleet.statistics().failovers == 0
    assert pair.fleet.statistics().total.failed == 20


def test_software_works_only_while_no_device_is_up() -> None:
    pair = Pair(software=True)
    software = pair.fleet.members[2].accel
    with pair.fleet:
        pair.send(16)
        assert pair.fleet.free_slots == 0  # full is an answer: the software is no more slots
        pair.clock.advance(MS)
        assert "echo" not in software.statistics().by_op
        pair.first.faults.remove()
        pair.second.faults.remove()
        requests = pair.send(8)
        pair.clock.advance(MS)
        assert all(request.error is None for request in requests)
        assert software.statistics().by_op["echo"] == 8
        pair.first.faults.plug_in()
        pair.clock.advance(6 * MS)
        pair.send(1)
        pair.clock.advance(MS)
        pair.send(4)
        pair.clock.advance(MS)
        assert software.statistics().by_op["echo"] == 9
        assert len(pair.ended) == 16 + 8 + 5


def test_without_a_member_that_is_up_a_submit_says_why(pair: Pair) -> None:
    pair.first.faults.remove()
    pair.second.faults.remove()
    request = Request("echo", b"")
    pair.clock.advance(MS)
    pair.fleet.prepare(request)
    with pytest.raises(SimError, match="removed"):
        pair.fleet.submit(request)
    with pytest.raises(FleetDownError, match=r"no member of the fleet is up: device 0: .*removed.*; device 1: "):
        pair.fleet.submit(request)
    assert pair.fleet.in_flight == 0


def test_a_session_is_known_to_all_also_to_a_member_that_is_made_anew() -> None:
    clock = VirtualClock()
    made: list[Accelerator] = []

    def make() -> Accelerator:
        made.append(Accelerator(8, latency="fixed:10us", clock=clock))
        return made[-1]

    ended: list[Request] = []
    with Fleet([make, make], "round-robin", retry_ns=5 * MS) as fleet:
        session = fleet.session("hmac", b"k" * 32)
        made[0].close()
        for _ in range(6):
            request = Request("hmac", b"data", session=session, on_complete=ended.append)  # type: ignore[arg-type]
            fleet.prepare(request)
            assert fleet.submit(request)
            clock.advance(3 * MS)
        assert len(made) == 3
        assert [request.result for request in ended] == [hmac.digest(b"k" * 32, b"data", "sha256")] * 6
        assert made[2].statistics().by_op["hmac"] > 0


def test_statistics_by_device_and_in_sum(pair: Pair) -> None:
    pair.send(6)
    pair.clock.advance(MS)
    found = pair.fleet.statistics()
    assert (found.total.submitted, found.total.completed, found.total.in_flight) == (6, 6, 0)
    assert dict(found.total.by_op) == {"echo": 6}
    assert [member.device and member.device.completed for member in found.members] == [3, 3]
    assert found.total.busy_ns == 60_000
    assert found.to_dict()["members"][0]["name"] == "device 0"


def test_jobs_and_tasks_lose_nothing_while_devices_come_and_go() -> None:
    pair = Pair(latency="uniform:10us,200us")
    with pair.fleet, Engine(pair.fleet, "callback") as engine, Scheduler() as scheduler:
        pair.first.faults.install("reset:every=40", "hold:p=0.02")
        pair.second.faults.install("fail:p=0.1", "lose:p=0.01")
        jobs = [scheduler.spawn(lambda n=n: [engine.sha256(bytes([n, m])) for m in range(10)]) for n in range(40)]
        scheduler.run()
        for number, job in enumerate(jobs):
            assert job.result() == [hashlib.sha256(bytes([number, m])).digest() for m in range(10)]

        async def tasks() -> list[bytes]:
            return await asyncio.gather(*(engine.aio.sha256(bytes([n])) for n in range(50)))

        assert asyncio.run(tasks()) == [hashlib.sha256(bytes([n])).digest() for n in range(50)]
        assert pair.fleet.statistics().failovers > 0


def test_close_fails_what_is_left(pair: Pair) -> None:
    pair.first.faults.install("hold")
    pair.second.faults.install("hold")
    requests = pair.send(2)
    pair.fleet.close(drain=False)
    assert [type(request.error) for request in requests] == [ClosedError, ClosedError]
    pair.fleet.close()
    with pytest.raises(ClosedError, match="the fleet was closed"):
        pair.fleet.submit(Request("echo", b""))


@pytest.mark.parametrize(
    ("call", "value", "cure"),
    [
        (lambda: Fleet([]), "without members", "at least one"),
        (lambda: Fleet([7]), "member 7", "an accelerator, an address"),
        (lambda: Fleet([lambda: Accelerator(4)], "best"), "'best'", "use one of"),
        (lambda: Fleet([lambda: Accelerator(4)], patience_ns=0), "patience 0", "1 or more"),
        (lambda: Fleet([lambda: Accelerator(4, assist=True)]), "device 0 was made with assist", "make it without"),
        (lambda: Fleet(["@nobody-is-there"]), "no member of the fleet answers", "software=True"),
        (
            lambda: Fleet([lambda: Accelerator(4, clock=VirtualClock()) for _ in range(2)]),
            "different clocks",
            "one VirtualClock",
        ),
    ],
)
def test_bad_input(call: Callable[[], object], value: str, cure: str) -> None:
    with pytest.raises(SimError) as caught:
        call()
    assert value in str(caught.value)
    assert cure in str(caught.value)
