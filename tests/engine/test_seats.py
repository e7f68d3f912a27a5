"""The seats of a scheduler by themselves, with jobs that do as they are told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from engine.drivers.ready_seats import Seat
from engine.drivers.seats import Seats
from engine.errors import Errors
from engine.jobs.cancelling import CANCELS
from engine.jobs.states import JobState
from engine.offload.wake_fds import wake_fd
from waitctx import Status, WaitCtx

pytestmark = pytest.mark.python_source  # it puts parts of its own in place of ours


class Told:
    """Stands for a job. Each cancel answers with the next of `answers`, or raises it; then that it has ended."""

    def __init__(self, *answers: bool | BaseException, state: JobState = JobState.PAUSED) -> None:
        self.state = state
        self.wait_ctx: WaitCtx | None = None
        self.cancels = 0
        self._answers = list(answers)

    def cancel(self) -> bool:
        self.cancels += 1
        if self._answers:
            answer = self._answers.pop(0)
            if isinstance(answer, BaseException):
                raise answer
            return answer
        self.state = JobState.CANCELLED
        return True


class Interrupted(Seats):
    """The first `leave` is interrupted before it has done anything, if `armed`."""

    armed = False

    def leave(self, seat: Seat) -> None:
        armed, self.armed = self.armed, False
        if armed:
            raise KeyboardInterrupt
        super().leave(seat)


@pytest.fixture
def seats() -> Iterator[Interrupted]:
    made = Interrupted()
    yield made
    errors = Errors()
    made.close(errors)
    errors.raise_all("nothing raises here")


@pytest.fixture
def reads() -> Iterator[int]:
    """An fd of the user's own."""
    ends = os.pipe()
    yield ends[0]
    for fd in ends:
        os.close(fd)


def take(seats: Seats, *answers: bool | BaseException, state: JobState = JobState.PAUSED) -> tuple[Seat, Any]:
    job: Any = Told(*answers, state=state)
    return seats.take(job), job


def test_a_seat_has_a_wait_context_with_the_callback_that_wakes_it(seats: Seats) -> None:
    seat, job = take(seats)
    assert seats.busy == {seat: None}
    assert job.wait_ctx is seat.ctx
    assert seat.job is job
    callback = seat.ctx.callback
    assert callback is not None
    callback.fn(callback.arg)
    assert list(seats.ready_seats.ready) == [seat]


def test_a_seat_that_a_job_has_left_is_the_next_ones(seats: Seats) -> None:
    seat, _ = take(seats)
    other, _ = take(seats)
    assert other is not seat
    seat.eagain, seat.errors, seat.ctx.status = True, 3, Status.ERR
    seat.ctx.set_callback(None)
    seats.leave(seat)
    assert (seat.job, seat.eagain, seat.errors, seat.ctx.status) == (None, False, 0, Status.UNSUPPORTED)
    assert list(seats.busy) == [other]
    again, _ = take(seats)
    assert again is seat
    assert seat.ctx.callback is not None
    assert list(seats.busy) == [other, seat]
    assert take(seats)[0] not in (other, seat)


def test_a_seat_that_was_just_taken_when_an_exception_came_is_given_to_nobody_else(seats: Seats) -> None:
    seat, job = take(seats)
    seats.leave(seat)
    seat.job = job
    other, _ = take(seats)
    assert other is not seat
    assert seats._idle == []


def test_an_engines_fd_stays_in_the_seat_and_is_watched(seats: Seats) -> None:
    seat, _ = take(seats)
    own = wake_fd()
    seat.ctx.set_wait_fd("engine", own.fd)
    seats.leave(seat)
    assert seat.fds == {own.fd}
    assert not seat.ctx.closed
    assert take(seats)[0] is seat
    own.close()


@pytest.mark.parametrize("closed", [False, True], ids=["an fd of its own", "a closed context"])
def test_what_a_job_leaves_that_would_mislead_the_next_is_closed(seats: Seats, reads: int, closed: bool) -> None:
    seat, _ = take(seats)
    seat.ctx.set_wait_fd("own", reads)
    if closed:
        seats.ready_seats.watch(seat)
        seat.ctx.close()
    seats.leave(seat)
    assert seat.ctx.closed
    assert not seat.fds
    assert (seat.job, list(seats.busy)) == (None, [])
    assert take(seats)[0] is not seat


@pytest.mark.parametrize(("answers", "cancels"), [([], 1), ([False, False], 3), ([False] * CANCELS * 2, CANCELS)])
def test_a_job_is_cancelled_until_it_has_ended_and_not_for_ever(
    seats: Seats, answers: list[bool | BaseException], cancels: int
) -> None:
    seat, job = take(seats, *answers)
    seats.end(seat)
    assert job.cancels == cancels
    assert (seat.job, list(seats.busy)) == (None, [])
    seats._cancel(seat)  # nobody sits there


def test_an_exception_in_a_cancel_comes_out_and_the_job_is_cancelled_and_its_seat_free(seats: Seats) -> None:
    seat, job = take(seats, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        seats.end(seat)
    assert job.cancels == 2
    assert (seat.job, list(seats.busy)) == (None, [])


def test_an_exception_when_a_seat_is_left_comes_out_and_the_seat_is_free(seats: Interrupted) -> None:
    seat, job = take(seats)
    seats.armed = True
    with pytest.raises(KeyboardInterrupt):
        seats.end(seat)
    assert job.cancels == 1
    assert (seat.job, list(seats.busy)) == (None, [])


def test_after_an_exception_each_job_is_found_where_it_is(seats: Seats, reads: int) -> None:
    new, new_job = take(seats, state=JobState.NEW)
    ended, _ = take(seats, state=JobState.FINISHED)
    empty, _ = take(seats)
    empty.job = None
    paused, paused_job = take(seats)
    own, _ = take(seats)
    closed, _ = take(seats)
    paused.woken = True  # but it is not among those that are ready
    own.ctx.set_wait_fd("own", reads)
    closed.ctx.close()
    seats.mend()
    assert list(seats.busy) == [paused, own, closed]
    assert new_job.wait_ctx is None
    assert paused_job.wait_ctx is paused.ctx
    assert [seat.job for seat in (new, ended, empty)] == [None] * 3
    assert list(seats.ready_seats.ready) == [paused, closed]
    assert own.foreign == {reads}
    assert not own.woken


def test_the_end_cancels_all_tells_what_they_raise_and_closes_each_context_once() -> None:
    seats, errors = Seats(), Errors()
    cleaned: list[str] = []
    left, _ = take(seats)
    own = wake_fd()
    left.ctx.set_wait_fd("engine", own.fd, None, lambda *args: cleaned.append("engine"))
    first, first_job = take(seats, False, ValueError("of the first"))
    second, second_job = take(seats)
    seats.leave(left)
    seats.close(errors)
    assert (first_job.cancels, second_job.cancels) == (3, 1)
    assert not seats.busy
    assert not seats._idle
    assert not left.fds
    assert all(seat.ctx.closed for seat in (left, first, second))
    assert cleaned == ["engine"]
    own.close()
    with pytest.raises(ValueError, match="of the first"):
        errors.raise_all("all")


def test_the_end_goes_on_where_an_exception_came_before_a_seat_was_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    seats, errors = Seats(), Errors()
    seat, job = take(seats)
    end, calls = Seats.end, list[Seat]()

    def interrupted(self: Seats, seat: Seat) -> None:
        calls.append(seat)
        if len(calls) == 1:
            raise KeyboardInterrupt
        end(self, seat)

    monkeypatch.setattr(Seats, "end", interrupted)
    seats.close(errors)
    assert calls == [seat, seat]
    assert job.cancels == 1
    assert seat.ctx.closed
    with pytest.raises(KeyboardInterrupt):
        errors.raise_all("all")


class Stuck(Seats):
    """No seat can be ended."""

    def end(self, seat: Seat) -> None:
        raise ValueError("never")


def test_a_seat_that_could_not_be_ended_is_not_closed_as_an_idle_one() -> None:
    """An exception may have come when it was just taken: then it is busy, and still among the idle ones."""
    seats, errors = Stuck(), Errors()
    seat, _ = take(seats)
    seats._idle.append(seat)
    seats.close(errors)
    assert not seat.ctx.closed
    seat.ctx.close()


def test_a_seat_that_is_forgotten_is_closed_and_given_to_nobody(seats: Seats) -> None:
    seat, _ = take(seats)
    seats.leave(seat)
    for _ in range(2):
        seats._forget(seat)
        assert seat.ctx.closed
    assert take(seats)[0] is not seat
