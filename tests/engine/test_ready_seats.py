"""What wakes the jobs of a scheduler, by itself: callbacks, fds, and the bell that ends a sleep."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.drivers.ready_seats import ReadySeats, Seat
from engine.offload.wake_fds import wake_fd

pytestmark = pytest.mark.python_source  # it puts parts of its own in place of ours

SOMEBODY: Any = "the job of this seat"


class Bell:
    """Stands for the bell. Counts how often it was rung."""

    fd = -7

    def __init__(self) -> None:
        self.puts = self.drains = 0

    def put(self) -> bool:
        self.puts += 1
        return True

    def drain(self) -> bool:
        self.drains += 1
        return True

    def close(self) -> None:
        """Nothing is open."""


class World:
    """Stands for the poller. Each wait calls `happens`, if it may block, and finds `readable`."""

    fd = -1

    def __init__(self) -> None:
        self.waits: list[int | None] = []
        self.readable: list[int] = []
        self.watched: list[int] = []
        self.happens: Callable[[], object] = lambda: None

    def add(self, fd: int) -> None:
        if fd in self.watched:
            raise FileExistsError
        os.fstat(fd)
        self.watched.append(fd)

    def remove(self, fd: int) -> None:
        self.watched.remove(fd)

    def wait(self, timeout_ns: int | None) -> list[int]:
        self.waits.append(timeout_ns)
        if timeout_ns != 0:
            self.happens()
        return self.readable

    def close(self) -> None:
        """Nothing is open."""


class Woken:
    """ReadySeats with a bell and a world of the test's own, and the seats that they have told of as forgotten."""

    def __init__(self) -> None:
        self.forgotten: list[Seat] = []
        self.ready_seats = ReadySeats(self.forgotten.append)
        self.ready_seats.close()
        self.bell, self.world = Bell(), World()
        self.ready_seats._bell, self.ready_seats._poller = self.bell, self.world  # type: ignore[assignment]

    def seat(self, job: Any = SOMEBODY) -> Seat:
        seat = Seat()
        seat.job = job
        return seat


@pytest.fixture
def woken() -> Woken:
    return Woken()


@pytest.fixture
def pipes() -> Iterator[list[int]]:
    """The reading ends of three."""
    ends = [os.pipe() for _ in range(3)]
    yield [reads for reads, _ in ends]
    for pair in ends:
        for fd in pair:
            os.close(fd)


WAYS: dict[str, Callable[[ReadySeats, list[Seat]], object]] = {
    "wake": lambda ready_seats, seats: [ready_seats.wake(seat) for seat in seats],  # type: ignore[func-returns-value]
    "call_all": ReadySeats.call_all,
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@ways
def test_who_is_woken_is_ready_once_and_no_bell_rings_while_the_scheduler_is_awake(
    way: Callable[[ReadySeats, list[Seat]], object], woken: Woken
) -> None:
    seats = [woken.seat(), woken.seat()]
    way(woken.ready_seats, [*seats, *seats])
    assert list(woken.ready_seats.ready) == seats
    assert all(seat.woken for seat in seats)
    assert woken.bell.puts == 0


@ways
def test_the_bell_rings_once_a_sleep(way: Callable[[ReadySeats, list[Seat]], object], woken: Woken) -> None:
    def happens() -> None:
        way(woken.ready_seats, [woken.seat()])
        way(woken.ready_seats, [woken.seat()])

    woken.world.happens = happens
    for sleeps in (1, 2, 3):
        woken.ready_seats.ready.clear()
        woken.ready_seats.sleep(None, [])
        assert len(woken.ready_seats.ready) == 2
        assert woken.bell.puts == sleeps
    way(woken.ready_seats, [woken.seat()])
    assert woken.bell.puts == 3


class Fails(deque[Seat]):
    """The first append finds no memory."""

    failed = False

    def append(self, seat: Seat) -> None:
        if not self.failed:
            self.failed = True
            raise MemoryError
        super().append(seat)


@ways
def test_who_could_not_be_made_ready_may_be_woken_once_more(
    way: Callable[[ReadySeats, list[Seat]], object], woken: Woken
) -> None:
    woken.ready_seats.ready = Fails()
    seat = woken.seat()
    with pytest.raises(MemoryError):
        way(woken.ready_seats, [seat])
    assert not seat.woken
    way(woken.ready_seats, [seat])
    assert list(woken.ready_seats.ready) == [seat]
    assert seat.woken


def test_fds_that_are_set_are_watched_and_those_that_are_cleared_no_longer(woken: Woken, pipes: list[int]) -> None:
    seat = woken.seat()
    own = wake_fd()
    for key in (own.fd, pipes[0], pipes[1], -1):
        seat.ctx.set_wait_fd(key, key)
    for _ in range(2):  # asking twice changes nothing
        woken.ready_seats.watch(seat)
        assert sorted(woken.world.watched) == sorted([own.fd, *pipes[:2]])
        assert seat.fds == {own.fd, *pipes[:2]}
        assert seat.foreign == set(pipes[:2])
    seat.ctx.reset_counts()
    seat.ctx.clear_fd(pipes[0])
    seat.ctx.set_wait_fd(pipes[2], pipes[2])
    for _ in range(2):
        woken.ready_seats.watch(seat)
        assert sorted(woken.world.watched) == sorted([own.fd, *pipes[1:]])
        assert seat.foreign == set(pipes[1:])
    woken.ready_seats.unwatch(seat)
    assert woken.world.watched == []
    woken.ready_seats.look()
    assert woken.world.waits == []  # there is nothing to look at
    assert not seat.fds
    assert not seat.foreign
    assert not seat.woken
    seat.ctx.close()
    own.close()


def test_fd_0_is_watched_like_any_other(woken: Woken) -> None:
    seat = woken.seat()
    seat.ctx.set_wait_fd("standard input", 0)
    woken.ready_seats.watch(seat)
    assert woken.world.watched == [0]
    seat.ctx.close()


def test_an_fd_of_two_seats_wakes_both_until_the_last_has_left(woken: Woken, pipes: list[int]) -> None:
    seats = [woken.seat(), woken.seat()]
    for seat in seats:
        seat.ctx.set_wait_fd("pipe", pipes[0])
        woken.ready_seats.watch(seat)
        assert seat.fds == {pipes[0]}
    woken.world.readable = [pipes[0]]
    woken.ready_seats.look()
    assert list(woken.ready_seats.ready) == seats
    woken.ready_seats.unwatch(seats[0])
    assert woken.world.watched == [pipes[0]]
    woken.ready_seats.unwatch(seats[1])
    assert woken.world.watched == []
    for seat in seats:
        seat.ctx.close()


def test_who_waits_for_an_fd_that_is_closed_is_woken_and_the_others_are_watched(woken: Woken, pipes: list[int]) -> None:
    gone = os.dup(pipes[0])
    os.close(gone)
    seat = woken.seat()
    seat.ctx.set_wait_fd("open", pipes[1])
    seat.ctx.set_wait_fd("closed", gone)
    woken.ready_seats.watch(seat)
    assert list(woken.ready_seats.ready) == [seat]
    assert seat.fds == set(woken.world.watched) == {pipes[1]}
    seat.ctx.close()


def test_a_look_asks_only_if_there_are_fds_and_does_not_block(woken: Woken, pipes: list[int]) -> None:
    woken.ready_seats.look()
    assert woken.world.waits == []
    seat = woken.seat()
    seat.ctx.set_wait_fd("pipe", pipes[0])
    woken.ready_seats.watch(seat)
    woken.ready_seats.look()
    assert woken.world.waits == [0]
    seat.ctx.close()


class Source:
    """Polled, with something there at once if `there`."""

    def __init__(self, there: bool) -> None:
        self._there = there
        self.asked: list[Callable[[], object]] = []

    def notify_once(self, fn: Callable[[], object]) -> None:
        self.asked.append(fn)
        if self._there:
            fn()


def test_a_sleep_ends_by_what_is_polled_for_and_lasts_as_long_as_it_may(woken: Woken) -> None:
    sources: list[Any] = [Source(there=False), Source(there=True)]
    woken.ready_seats.sleep(5_000, sources)
    assert woken.bell.puts == 1
    assert woken.world.waits == [5_000]
    for source in sources:
        (rouse,) = source.asked
        rouse()
    assert woken.bell.puts == 3  # these come too late, and end the next sleep


def test_a_scheduler_does_not_fall_asleep_over_a_job_that_is_ready(woken: Woken) -> None:
    woken.ready_seats.wake(woken.seat())
    woken.ready_seats.sleep(None, [])
    assert woken.world.waits == []
    assert woken.bell.puts == 0


def test_a_sleep_that_an_exception_ends_is_over(woken: Woken) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    woken.world.happens = interrupted
    with pytest.raises(KeyboardInterrupt):
        woken.ready_seats.sleep(None, [])
    woken.ready_seats.wake(woken.seat())
    assert woken.bell.puts == 0


def test_who_is_woken_by_an_fd_needs_no_bell_and_the_bell_is_drained(woken: Woken, pipes: list[int]) -> None:
    seat = woken.seat()
    seat.ctx.set_wait_fd("pipe", pipes[0])
    woken.ready_seats.watch(seat)
    woken.world.readable = [Bell.fd, pipes[0], 12_345]
    woken.ready_seats.sleep(None, [])
    assert list(woken.ready_seats.ready) == [seat]
    assert (woken.bell.puts, woken.bell.drains) == (0, 1)
    assert woken.forgotten == []
    seat.ctx.close()


@pytest.mark.parametrize("job", [None, SOMEBODY])
def test_a_token_that_nobody_waits_for_is_watched_no_more(woken: Woken, pipes: list[int], job: Any) -> None:
    """If one of the seats with this fd has a job, it is woken, and nothing is forgotten."""
    seats = [woken.seat(None), woken.seat(job)]
    for seat in seats:
        seat.ctx.set_wait_fd("pipe", pipes[0])
        woken.ready_seats.watch(seat)
    woken.world.readable = [pipes[0]]
    woken.ready_seats.look()
    if job is None:
        assert woken.forgotten == seats
        assert woken.world.watched == []
        assert not woken.ready_seats.ready
    else:
        assert woken.forgotten == []
        assert woken.world.watched == [pipes[0]]
        assert list(woken.ready_seats.ready) == [seats[1]]
    for seat in seats:
        seat.ctx.close()


def test_the_end_gives_back_the_fds() -> None:
    ready_seats = ReadySeats(lambda seat: None)
    fds = (
        [ready_seats._bell.fd, ready_seats._poller._epoll.fileno()]
        if ready_seats._poller._epoll
        else [ready_seats._bell.fd]
    )
    for fd in fds:
        os.fstat(fd)
    ready_seats.close()
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_the_bell_ends_a_sleep() -> None:
    ready_seats = ReadySeats(lambda seat: None)
    ready_seats.rouse()
    ready_seats.sleep(None, [])
    ready_seats.close()
