"""What a scheduler remembers of a job, and that nothing of it meets the next job in the same place."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from types import SimpleNamespace
from weakref import ref

import pytest

from engine import (
    Engine,
    Job,
    JobCancelled,
    JobState,
    NoJobsError,
    Retry,
    Scheduler,
    StalledError,
    cleanup_pool,
    init_pool,
    pause_job,
    start_job,
)
from engine.drivers.poller import Poller
from sim import Accelerator, VirtualClock
from tests.engine.ways import own_ctx
from waitctx import Callback, Status, WaitCtx


def pause_with(status: Status) -> None:
    """Pause, with that in the wait context."""
    own_ctx().status = status
    pause_job()


def test_a_job_that_asked_to_be_tried_and_was_woken_is_not_tried_as_well() -> None:
    """It may wait for something else by then. There are more askers than are tried at once, so it is still in line."""
    askers = 40
    callbacks: list[Callback] = []
    resumed: list[str] = []

    def asks() -> None:
        for _ in range(8):
            pause_with(Status.EAGAIN)

    def asks_and_is_woken() -> None:
        callback = own_ctx().callback
        assert callback is not None
        callbacks.append(callback)
        pause_with(Status.EAGAIN)
        resumed.append("woken")
        pause_with(Status.OK)  # by its callback, from here on
        resumed.append("woken again")

    def wakes() -> None:
        (callback,) = callbacks
        callback.fn(callback.arg)
        while any(not job.done for job in jobs):
            resumed.append("") if len(resumed) > 1 else pause_job()
        callback.fn(callback.arg)

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(asks) for _ in range(askers)]
        last = scheduler.spawn(asks_and_is_woken)
        waker = scheduler.spawn(wakes)
        scheduler.run()
        for job in (*jobs, last, waker):
            job.result()
    assert resumed == ["woken", "woken again"]


def test_one_error_of_a_job_is_none_of_the_next_in_its_place() -> None:
    """Each job is resumed once with ERR, so that it can see the failure."""

    def fails_once() -> str:
        pause_with(Status.ERR)
        own_ctx().status = Status.UNSUPPORTED
        return "seen"

    def fails_twice() -> str:
        pause_with(Status.ERR)
        pause_job()
        return "never"

    with Scheduler() as scheduler:
        for _ in range(3):
            seen = scheduler.spawn(fails_once)
            scheduler.run()
            assert seen.result() == "seen"
        job = scheduler.spawn(fails_twice)
        scheduler.run()
        assert job.state is JobState.CANCELLED
        with pytest.raises(JobCancelled):
            job.result()


@pytest.mark.parametrize("status", [Status.OK, Status.EAGAIN, Status.ERR])
def test_the_status_that_a_job_leaves_does_not_meet_the_next(status: Status) -> None:
    contexts: list[WaitCtx] = []

    def leaves() -> None:
        contexts.append(own_ctx())
        own_ctx().status = status

    def looks() -> int:
        contexts.append(own_ctx())
        found = own_ctx().status
        pause_job()
        return found

    with Scheduler() as scheduler:
        scheduler.spawn(leaves)
        scheduler.run()
        job = scheduler.spawn(looks)
        scheduler.run()
        assert job.result() == Status.UNSUPPORTED
        assert contexts[0] is contexts[1]  # or this shows nothing


class NothingToPoll:
    """A source in real time, with nothing to poll for."""

    clock = SimpleNamespace(virtual=False)
    polled = True
    polls = 0

    def poll(self, quota: int = 0) -> int:
        self.polls += 1
        return 0

    def notify_once(self, fn: object) -> None:
        """Never."""


@pytest.mark.parametrize("interrupted", [False, True], ids=["run", "close"])
def test_the_end_of_a_run_or_of_the_scheduler_lets_go_of_what_it_polled(interrupted: bool) -> None:
    """A run that an exception has ended keeps it, for the next run: its jobs still wait for it."""

    def job(stops: bool) -> None:
        pause_job()
        if stops:
            raise KeyboardInterrupt
        pause_job()

    scheduler = Scheduler()
    source = NothingToPoll()
    gone = ref(source)
    scheduler.keep_going(source)
    for stops in (interrupted, False):
        scheduler.spawn(job, stops)
    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            scheduler.run()
    else:
        scheduler.run()
    del source
    gc.collect()
    assert (gone() is not None) is interrupted
    scheduler.close()
    gc.collect()
    assert gone() is None


def watched_fds() -> set[int]:
    """The fds in all epolls of this process, as Linux tells them."""
    found = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}") != "anon_inode:[eventpoll]":
                continue
            with open(f"/proc/self/fdinfo/{name}") as lines:
                found |= {int(line.split()[1]) for line in lines if line.startswith("tfd:")}
        except FileNotFoundError:  # the listing's own
            continue
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        os.close(fd)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fdinfo"), reason="only Linux tells what an epoll watches")
def test_an_fd_of_the_users_is_watched_while_a_job_waits_for_it_and_no_longer(pipe: tuple[int, int]) -> None:
    reads, writes = pipe
    watched: list[bool] = []

    def waits() -> bytes:
        own_ctx().set_wait_fd("pipe", reads)
        while not watched:
            pause_job()
        return os.read(reads, 1)

    def writes_later() -> None:
        pause_job()
        watched.append(reads in watched_fds())
        os.write(writes, b"12")

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(waits) for _ in range(2)]  # one fd, two contexts
        scheduler.spawn(writes_later)
        scheduler.run()
        assert sorted(job.result() for job in jobs) == [b"1", b"2"]
        assert watched == [True]
        assert reads not in watched_fds()


def test_a_job_that_found_no_place_in_the_pool_has_no_wait_context_and_begins_later() -> None:
    init_pool(max_size=1)
    try:
        holds = start_job(pause_job)
        with Scheduler() as scheduler:
            job = scheduler.spawn(pause_job)
            for _ in range(2):
                with pytest.raises(NoJobsError):
                    scheduler.run()
                assert job.state is JobState.NEW
                assert job.wait_ctx is None
                assert scheduler.unfinished == [job]
            holds.resume()
            scheduler.run()
            assert job.done
    finally:
        cleanup_pool()


def test_a_job_that_is_woken_just_before_the_sleep_is_not_slept_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the last look at who is ready and the note that the scheduler sleeps no bell is rung."""
    jobs: list[Job] = []

    class Wakes(NothingToPoll):
        """Wakes the job when it is asked how to wait for it."""

        woken = False

        @property
        def polled(self) -> bool:  # type: ignore[override]
            if self.polls and not self.woken:
                self.woken = True
                ctx = jobs[0].wait_ctx
                assert ctx is not None
                assert ctx.callback is not None
                ctx.callback.fn(ctx.callback.arg)
            return True

    wait = Poller.wait

    def never_for_ever(poller: Poller, timeout_ns: int | None) -> list[int]:
        assert timeout_ns is not None, "slept over a job that is ready"
        return wait(poller, timeout_ns)

    monkeypatch.setattr(Poller, "wait", never_for_ever)
    source = Wakes()
    with Scheduler() as scheduler:
        scheduler.keep_going(source)
        jobs.append(scheduler.spawn(pause_with, Status.OK))
        scheduler.run()
        assert source.woken
        jobs[0].result()


def test_jobs_that_only_ask_in_vain_are_told_to_be_stalled_after_a_thousand_turns() -> None:
    """Not before: others' progress may come late. And not after as many as somebody would take for a hang."""
    with (
        Accelerator(depth=1, clock=VirtualClock(), seed=1, faults="lose:nth=1") as accel,
        Engine(accel, "callback", retry=Retry(wake="at_once")) as engine,
        Scheduler() as scheduler,
    ):
        for _ in range(2):
            scheduler.spawn(engine.call, "null")
        with pytest.raises(StalledError, match="ask for a slot again and again"):
            scheduler.run()
        assert 1_000 <= engine.statistics.eagains <= 1_010
        assert len(scheduler.unfinished) == 2


@pytest.mark.parametrize(("notify", "eagains"), [("fd", 13), ("callback", 7)])
def test_the_clock_goes_on_when_who_asks_was_tried_in_vain(notify: str, eagains: int) -> None:
    """Time must not pass while somebody could still go on, nor stand still while all ask again and again.

    By fd each try wakes for the next, which is made before time passes, and the clock jumps after two in vain. By
    callback the status alone tells, and each jump is followed by one try.
    """
    with (
        Accelerator(depth=1, clock=VirtualClock(), latency="fixed:10us", seed=1) as accel,
        Engine(accel, notify, retry=Retry(wake="at_once", limit=100)) as engine,
        Scheduler() as scheduler,
    ):
        for time_ns in (2_000, 4_000, 6_000, 8_000):
            accel.call_at(time_ns, lambda: None)
        scheduler.map(engine.call, ["null"] * 2)
        assert engine.statistics.eagains == eagains
        assert accel.clock.now_ns() == 20_000
