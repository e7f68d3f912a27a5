"""The worker thread: no wake-up is lost, whatever crosses it, and no completion."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sim import Accelerator, Coalescing, Request
from sim.submission import Submission
from sim.worker import Worker
from tests.interrupting import LINES, SIGNALS, interrupt_everywhere
from tests.sim.sim_requests import Completions, Gate


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("latency", [None, "fixed:1ns", "fixed:20us", "uniform:0us,50us"])
def test_no_wake_up_is_lost(latency: str | None) -> None:
    """Each thread waits for its own completion before it submits again: one lost doorbell and it waits for ever."""
    rounds, count = 300, 6
    results: list[int] = []
    with Accelerator(4, latency=latency) as accel:

        def client(number: int) -> None:
            done = threading.Semaphore(0)
            right = 0
            for index in range(rounds):
                payload = bytes([number, index % 256])
                request = Request("echo", payload, on_complete=lambda request: done.release())
                accel.prepare(request)
                while not accel.submit(request):
                    os.sched_yield()  # so that those who wait for the device get on
                done.acquire()
                right += request.result == payload
            results.append(right)

        clients = [threading.Thread(target=client, args=(number,)) for number in range(count)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        statistics = accel.statistics()
    assert results == [rounds] * count
    assert (statistics.completed, statistics.in_flight) == (rounds * count, 0)


@pytest.mark.usefixtures("frequent_switches")
def test_no_doorbell_is_lost_where_enqueue_and_doorbell_are_apart() -> None:
    """Whoever rings announces what all have enqueued; a late ring must not take an announcement back."""
    rounds, count = 150, 6
    with Accelerator(64) as accel:

        def client() -> None:
            completions = Completions(accel)
            for _ in range(rounds):
                requests = [completions.request() for _ in range(3)]
                for request in requests:
                    assert accel.enqueue(request)
                accel.doorbell()
                completions.wait(3)

        clients = [threading.Thread(target=client) for _ in range(count)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        assert accel.statistics().completed == rounds * count * 3


@pytest.mark.usefixtures("frequent_switches")
def test_no_completion_is_lost_or_doubled_where_many_poll() -> None:
    rounds, count = 100, 4
    with Accelerator(16) as accel:
        accel.attach(lambda slots: None, polled=True)

        def client() -> None:
            completions = Completions(accel)
            for _ in range(rounds):
                requests = [completions.submit(payload=bytes([index])) for index in range(4)]
                while len(completions.done) < 4:
                    if not accel.poll(1):
                        os.sched_yield()
                assert completions.done == requests
                completions.done.clear()

        clients = [threading.Thread(target=client) for _ in range(count)]
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        statistics = accel.statistics()
        assert (statistics.completed, statistics.in_flight) == (rounds * count * 4, 0)
        assert accel.free_slots == 16


@pytest.mark.usefixtures("frequent_switches")
def test_polling_with_the_interrupt_on_takes_no_slot_away() -> None:
    """Both could reap then; a slot counted once instead of twice would be lost for good."""
    with Accelerator(16) as accel:
        completions = Completions(accel)
        stop = threading.Event()

        def polls() -> None:
            while not stop.is_set():
                accel.poll()
                os.sched_yield()

        pollers = [threading.Thread(target=polls) for _ in range(3)]
        for thread in pollers:
            thread.start()
        for _ in range(300):
            sent = len(completions.fill())
            completions.wait(sent)
        stop.set()
        for thread in pollers:
            thread.join()
        assert (accel.in_flight, accel.free_slots) == (0, 16)


@pytest.mark.usefixtures("frequent_switches")
def test_no_waiter_is_lost_between_an_empty_poll_and_being_notified() -> None:
    choice = random.Random(5)
    with Accelerator(16) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        for _ in range(500):
            sent = [completions.submit() for _ in range(choice.randint(1, 4))]
            while len(completions.done) < len(sent):
                something = threading.Semaphore(0)
                accel.notify_once(something.release)
                something.acquire()
                accel.poll()
            completions.done.clear()


def test_a_sleeping_worker_is_woken_once_for_a_batch() -> None:
    with Accelerator(64) as accel:
        gate, completions = Gate(accel), Completions(accel)
        completions.submit("gate")
        gate.entered.acquire()  # awake, and busy
        before = accel.statistics().doorbells
        for _ in range(10):
            completions.submit()
        assert accel.statistics().doorbells == before
        gate.open()
        completions.wait(11)
        assert accel.statistics().batches == 2


def test_polling_with_the_interrupt_on_hands_nothing_out() -> None:
    """The worker reaps then, and it alone: two who reap could give one slot back for two."""
    with Accelerator(8, coalescing=Coalescing(100, 3_600_000_000_000)) as accel:
        completions = Completions(accel)
        completions.submit()
        while not accel._device.completions.entries:
            os.sched_yield()
        assert accel.poll() == 0
        assert completions.done == []
        assert accel.in_flight == 1


# Wake-ups that cross, made to happen by lists and locks that lie


class Idle:
    """A device without work. `due` is what its steps return, one after the other; then it is stopped."""

    def __init__(self, *due: int | None) -> None:
        self.due = list(due)
        self.stepped = threading.Semaphore(0)

    def has_work(self) -> bool:
        return False

    def step(self) -> int | None:
        self.stepped.release()
        return self.due.pop(0) if self.due else None


class LateSleeper(Worker):
    """Somebody else comes just before a sleep begins: finds nobody asleep, and wakes nobody."""

    meanwhile: Callable[[], object] | None = None
    _asleep = 0

    @property
    def asleep(self) -> int:
        return self._asleep

    @asleep.setter
    def asleep(self, number: int) -> None:
        if number and self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        self._asleep = number


def no_crash(error: BaseException) -> None:
    raise AssertionError from error


@pytest.mark.python_source
def test_a_stop_that_comes_as_the_worker_goes_to_sleep() -> None:
    device = Idle()
    worker = LateSleeper(device, lambda: 0, no_crash)
    device.stepped.acquire()
    while not worker.asleep:
        os.sched_yield()
    stopped = threading.Event()

    def stop() -> None:
        worker._may_stop = lambda: True
        stopped.set()
        assert worker.wake() is False

    worker.meanwhile = stop
    assert worker.wake()
    stopped.wait()
    worker._thread.join()


class CrossedBell:
    """A bell at which a sleeper's time runs out just as somebody rings it."""

    def __init__(self, worker: Worker) -> None:
        self.bell = worker._bell
        self.worker = worker
        self.crossed = threading.Event()

    def acquire(self, timeout: float = -1.0) -> bool:
        if timeout >= 0 and not self.crossed.is_set():
            assert self.worker.wake() is True
            self.crossed.set()
            return False
        return self.bell.acquire(timeout=timeout)

    def release(self) -> None:
        self.bell.release()


@pytest.mark.python_source
def test_a_wake_that_crosses_the_end_of_a_sleep() -> None:
    """Its ring stays, ends the next sleep at once, and is gone then."""
    device = Idle(None, 0)
    worker = Worker(device, lambda: 0, no_crash)
    device.stepped.acquire()
    while not worker.asleep:
        os.sched_yield()
    bell: Any = CrossedBell(worker)
    worker._bell = bell
    assert worker.wake()  # to the step after which it sleeps until now, and is crossed
    bell.crossed.wait()
    for _ in range(3):  # the step it was woken for, the one after the crossing, and one more
        device.stepped.acquire()
    while not worker.asleep:
        os.sched_yield()
    assert not device.stepped.acquire(blocking=False)
    assert worker.wake()
    worker.stop(lambda: True)


# Interrupted


@contextmanager
def a_submit_in_real_time() -> Iterator[Callable[[], object]]:
    """The worker sleeps, a submit is interrupted, and the next one must wake it all the same."""
    accel = Accelerator(8)
    completions = Completions(accel)
    worker = accel._worker
    assert worker is not None
    while not worker.asleep:
        os.sched_yield()
    request = completions.request()
    yield lambda: accel.submit(request)
    last = completions.submit()
    while last not in completions.done:
        completions.wait()
    accel.close()
    statistics = accel.statistics()
    assert statistics.submitted == statistics.completed == len(completions.done)
    assert len(completions.done) == len(set(map(id, completions.done)))


@pytest.mark.parametrize(("kind", "error"), [(SIGNALS, KeyboardInterrupt), (LINES, MemoryError)])
def test_an_exception_anywhere_in_a_wake_loses_no_other(kind: str, error: type[BaseException]) -> None:
    interrupt_everywhere(a_submit_in_real_time, [Worker.wake, Submission.submit], error, kind=kind)


@contextmanager
def a_call_in_real_time() -> Iterator[Callable[[], object]]:
    accel = Accelerator(8)
    worker = accel._worker
    assert worker is not None
    while not worker.asleep:
        os.sched_yield()
    yield lambda: accel.call_at(0, lambda: None)
    called = threading.Semaphore(0)
    accel.call_at(accel.clock.now_ns(), called.release)
    called.acquire()
    accel.close()


@pytest.mark.parametrize(("kind", "error"), [(SIGNALS, KeyboardInterrupt), (LINES, RecursionError)])
def test_an_exception_anywhere_in_call_at_loses_no_other(kind: str, error: type[BaseException]) -> None:
    interrupt_everywhere(a_call_in_real_time, [Worker.wake, Accelerator.call_at], error, kind=kind)
