"""The parts of a scheduler by themselves: its pump, its retry queue, and what it takes a paused job to wait for."""

from __future__ import annotations

import os
import select
from types import SimpleNamespace
from typing import Any

import pytest

from engine.drivers.poller import Poller
from engine.drivers.pump import Pump
from engine.drivers.ready_seats import Seat
from engine.drivers.retry_queue import BATCH, RetryQueue
from engine.drivers.waits_for import WaitsFor, waits_for
from waitctx import Status, WaitCtx

# The pump


class Source:
    """Something to poll or to jump. Each poll and jump finds so much."""

    def __init__(self, *, polled: bool, virtual: bool, finds: int = 0, jumps: bool = False) -> None:
        self.polled = polled
        self.clock = SimpleNamespace(virtual=virtual, jump=self._jump)
        self.calls: list[str] = []
        self._finds = finds
        self._jumps = jumps

    def poll(self, quota: int = 0) -> int:
        self.calls.append("poll")
        return self._finds

    def _jump(self) -> bool:
        self.calls.append("jump")
        return self._jumps


def pump_of(*sources: Any) -> Pump:
    pump = Pump()
    for source in sources:
        pump.sources[source] = None
    return pump


@pytest.mark.parametrize(
    ("source", "calls", "moves"),
    [
        (Source(polled=True, virtual=False, finds=2), ["poll"], True),
        (Source(polled=True, virtual=False), ["poll"], False),
        (Source(polled=False, virtual=False, finds=2), [], False),
        (Source(polled=True, virtual=True, finds=2), ["poll"], True),
        (Source(polled=True, virtual=True, jumps=True), ["poll", "jump"], True),
        (Source(polled=False, virtual=True, finds=2), ["jump"], False),
        (Source(polled=False, virtual=True, jumps=True), ["jump"], True),
    ],
)
def test_the_pump_polls_what_is_polled_and_jumps_clocks(source: Source, calls: list[str], moves: bool) -> None:
    pump = pump_of(source)
    pump.unpumped = 5
    assert pump.run() is moves
    assert source.calls == calls
    assert pump.unpumped == 0


@pytest.mark.parametrize("moving", [0, 1])
def test_the_pump_runs_all_sources_and_says_whether_any_moved(moving: int) -> None:
    for virtual in (False, True):
        sources = [
            Source(polled=not virtual, virtual=virtual, finds=number == moving, jumps=number == moving)
            for number in range(2)
        ]
        assert pump_of(*sources).run() is True
        assert all(len(source.calls) == 1 for source in sources)


def test_the_pump_knows_who_is_in_virtual_time_and_who_must_be_polled_in_real_time() -> None:
    virtual: Any = Source(polled=True, virtual=True)
    real: Any = Source(polled=True, virtual=False)
    interrupts: Any = Source(polled=False, virtual=False)
    assert [pump_of(*some).only_virtual() for some in ((), (virtual,), (virtual, real), (real,))] == [
        False,
        True,
        False,
        False,
    ]
    assert pump_of(virtual, real, interrupts).polled_in_real_time() == [real]


# The retry queue


def seats(count: int) -> list[Seat]:
    return [Seat() for _ in range(count)]


def test_a_retry_queue_is_true_while_somebody_waits_in_it() -> None:
    queue = RetryQueue()
    assert not queue
    assert queue.wait_ns() is None
    (seat,) = seats(1)
    queue.add(seat)
    assert queue
    assert seat.eagain
    tried: list[Seat] = []
    queue.drive(1, tried.append)
    assert tried == [seat]
    assert not queue
    assert not seat.eagain


@pytest.mark.parametrize(("least", "tried"), [(0, BATCH), (BATCH, BATCH), (BATCH + 2, BATCH + 2), (99, BATCH + 4)])
def test_so_many_are_retried_at_a_time_each_once_and_in_order(least: int, tried: int) -> None:
    queue = RetryQueue()
    all_of_them = seats(BATCH + 4)
    for seat in all_of_them:
        queue.add(seat)
    order: list[Seat] = []

    def in_vain(seat: Seat) -> None:
        order.append(seat)
        queue.add(seat)

    queue.drive(least, in_vain)
    assert order == all_of_them[:tried]
    queue.drive(99, in_vain)
    assert order[tried:] == all_of_them[tried:] + all_of_them[:tried]


def test_who_was_resumed_or_woken_meanwhile_is_not_retried() -> None:
    queue = RetryQueue()
    resumed, woken, still = seats(3)
    for seat in (resumed, woken, still):
        queue.add(seat)
    resumed.eagain, woken.woken = False, True
    tried: list[Seat] = []
    queue.drive(3, tried.append)
    assert tried == [still]
    assert not queue


def test_an_exception_in_a_retry_leaves_the_others_in_the_queue() -> None:
    queue = RetryQueue()
    first, second = seats(2)
    for seat in (first, second):
        queue.add(seat)

    def interrupted(seat: Seat) -> None:
        seat.eagain = True  # the resume did not begin
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        queue.drive(2, interrupted)
    tried: list[Seat] = []
    queue.drive(2, tried.append)
    assert tried == [first, second]


def test_the_back_off_doubles_while_all_is_in_vain_and_begins_again_with_a_success() -> None:
    queue = RetryQueue()
    for seat in seats(2):
        queue.add(seat)
    expected = [100_000, 200_000, 400_000, 800_000, 1_600_000, 3_200_000, 6_400_000, 10_000_000, 10_000_000]
    for wait_ns in expected:
        assert queue.wait_ns() == wait_ns
        queue.drive(2, queue.add)
    tried: list[Seat] = []
    queue.drive(1, tried.append)
    for seat in tried:
        queue.add(seat)
    assert queue.wait_ns() == 100_000


# What a job waits for

_DONE = SimpleNamespace(done=True, promised=True, result=b"")
_FAILED = SimpleNamespace(done=True, promised=True, result=None)
_PROMISED = SimpleNamespace(done=False, promised=True, result=None)
_SILENT = SimpleNamespace(done=False, promised=False, result=None)


@pytest.mark.parametrize(
    ("operation", "status", "foreign", "wait"),
    [
        *((_PROMISED, status, foreign, WaitsFor.WOKEN) for status in Status for foreign in (False, True)),
        *(
            (other, Status.EAGAIN, foreign, WaitsFor.EAGAIN)
            for other in (None, _DONE, _SILENT)
            for foreign in (False, True)
        ),
        *((other, Status.OK, True, WaitsFor.WOKEN) for other in (None, _DONE, _FAILED, _SILENT)),
        *((other, Status.ERR, True, WaitsFor.WOKEN) for other in (None, _DONE, _FAILED, _SILENT)),
        *((other, Status.UNSUPPORTED, False, WaitsFor.NOTHING) for other in (None, _DONE, _FAILED, _SILENT)),
        (None, Status.OK, False, WaitsFor.WOKEN),
        (_SILENT, Status.OK, False, WaitsFor.WOKEN),
        (_DONE, Status.OK, False, WaitsFor.NOTHING),
        (None, Status.ERR, False, WaitsFor.FAILED),
        (_SILENT, Status.ERR, False, WaitsFor.FAILED),
        (_DONE, Status.ERR, False, WaitsFor.FAILED),
        (_FAILED, Status.ERR, False, WaitsFor.NOTHING),
    ],
)
def test_what_a_paused_job_waits_for(operation: Any, status: Status, foreign: bool, wait: WaitsFor) -> None:
    job: Any = SimpleNamespace(waiting=operation)
    with WaitCtx() as ctx:
        ctx.status = status
        assert waits_for(job, ctx, foreign) is wait


# The poller


@pytest.mark.parametrize("epoll", [True, False], ids=["epoll", "poll"])
def test_a_poller_tells_which_fds_are_readable(epoll: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not epoll:
        monkeypatch.delattr(select, "epoll", raising=False)
    ends = os.pipe()
    poller = Poller()
    poller.add(ends[0])
    assert poller.wait(0) == []
    assert poller.wait(1_000) == []  # not rounded down to none
    os.write(ends[1], b"1")
    assert poller.wait(0) == poller.wait(None) == [ends[0]]
    if epoll:
        with pytest.raises(FileExistsError):
            poller.add(ends[0])
    poller.remove(ends[0])
    poller.remove(ends[0])
    assert poller.wait(0) == []
    for fd in ends:
        os.close(fd)
    poller.remove(ends[0])
    poller.close()
    poller.close()


class Asked:
    """Stands for an epoll or a poll."""

    def __init__(self) -> None:
        self.waits: list[float | None] = []

    def poll(self, wait: float | None) -> list[tuple[int, int]]:
        self.waits.append(wait)
        return [(7, select.POLLIN)]


@pytest.mark.parametrize(
    ("timeout_ns", "seconds", "milliseconds"),
    [(0, 0.0, 0), (1, 1e-9, 1), (1_000_000, 1e-3, 1), (1_000_001, 1_000_001e-9, 2), (None, None, None)],
)
def test_epoll_is_asked_in_seconds_and_poll_in_milliseconds_rounded_up(
    timeout_ns: int | None, seconds: float | None, milliseconds: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    epoll, poll = Asked(), Asked()
    monkeypatch.setattr(select, "epoll", lambda: epoll, raising=False)
    assert Poller().wait(timeout_ns) == [7]
    monkeypatch.delattr(select, "epoll")
    monkeypatch.setattr(select, "poll", lambda: poll)
    assert Poller().wait(timeout_ns) == [7]
    assert epoll.waits == [pytest.approx(seconds) if seconds else seconds]
    assert poll.waits == [milliseconds]
