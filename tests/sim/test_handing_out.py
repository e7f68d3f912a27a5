"""What the device does when it hands out completions: whom it tells, how, and what it counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from hotpath.submittable import Submittable
from sim import Accelerator, Coalescing, Delivery, DeviceError, Request, Session, VirtualClock
from tests.sim.sim_requests import Completions, Gate


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


# Counts


@pytest.mark.parametrize("faults", ["", "fail:nth=99"], ids=["without rules", "with rules"])
@pytest.mark.parametrize("doorbell", [False, True], ids=["submit", "enqueue"])
def test_the_high_water_is_the_most_that_were_outstanding(clock: VirtualClock, faults: str, doorbell: bool) -> None:
    with Accelerator(8, clock=clock, seed=1, faults=faults) as accel:
        completions = Completions(accel)

        def submit(count: int) -> None:
            for _ in range(count):
                if doorbell:
                    assert accel.enqueue(completions.request())
                else:
                    completions.submit()
            accel.doorbell()

        seen = []
        for count in (1, 3, 2, 3, 4):
            submit(count)
            clock.advance(1)
            seen.append(accel.statistics().high_water)
        assert seen == [1, 3, 3, 3, 4]


def test_operations_of_several_kinds_in_one_batch_are_counted_each_as_its_own(clock: VirtualClock) -> None:
    with Accelerator(clock=clock, seed=1) as accel:
        completions = Completions(accel)
        for op in ("echo", "sha256", "echo", "sha512"):
            completions.submit(op)
        clock.advance(1)
        assert accel.statistics().by_op == {"echo": 2, "sha256": 1, "sha512": 1}
        completions.submit("sha256")
        clock.advance(1)
        assert accel.statistics().by_op == {"echo": 2, "sha256": 2, "sha512": 1}


@pytest.mark.parametrize("delivery", [Delivery.ORPHANED, Delivery.SPURIOUS])
def test_a_failed_request_that_nobody_wants_is_no_failed_one(clock: VirtualClock, delivery: Delivery) -> None:
    with Accelerator(clock=clock, seed=1, faults="fail:nth=2") as accel:
        completions = Completions(accel)
        completions.delivery = delivery
        requests = [completions.submit() for _ in range(3)]
        clock.advance(1)
        assert [type(request.error) for request in requests] == [type(None), DeviceError, type(None)]
        counted = accel.statistics()
        assert (counted.completed, counted.failed, counted.orphaned) == (0, 0, 3)
        assert counted.spurious == (3 if delivery is Delivery.SPURIOUS else 0)
        assert sum(counted.by_op.values()) == 0


def test_second_completions_take_no_room_once_they_were_told(clock: VirtualClock) -> None:
    """They come on top of the ring's entries while they are there, and are not counted as there for ever."""
    with Accelerator(2, clock=clock, seed=1, faults="duplicate:every=2") as accel:
        completions = Completions(accel)
        accel.attach(lambda slots: None, polled=True)
        for _ in range(4):
            completions.submit()
            completions.submit()
            clock.advance(1_000_000)  # the completions, and what comes twice, stay on their ring until the poll
            accel.poll()
            accel.poll()
            assert accel._device.completions.echoes == 0
            assert accel.free_slots == 2
        counted = accel.statistics()
        assert counted.completed == 8
        assert counted.spurious == counted.faults["duplicate"] >= 1


# Who is told


def test_an_engine_that_ends_when_it_is_told_of_space_keeps_no_other_from_being_told(clock: VirtualClock) -> None:
    with Accelerator(clock=clock, seed=1) as accel:
        told: list[str] = []

        def listener(name: str) -> Callable[[int], None]:
            def on_space(slots: int) -> None:
                told.append(name)
                accel.detach(on_space)

            return on_space

        for name in ("first", "second", "third"):
            accel.attach(listener(name), polled=False)
        Completions(accel).submit()
        clock.advance(1)
        assert told == ["first", "second", "third"]


class Batched(Submittable):
    """A request whose owners are told together, and who want only their own."""

    def __init__(self, name: str, told: list[tuple[str, ...]], raises: BaseException | None = None) -> None:
        self.name = name
        self.told = told
        self.raises = raises
        self.op, self.payload, self.aux = "echo", b"", b""
        self.session: Session | None = None
        self.error: BaseException | None = None
        self.result: bytes | None = None
        self.started_ns = self.submitted_ns = self.finished_ns = 0
        self.kernel: Any = None
        self.key: Any = None

    def complete(self) -> None:
        self.told.append((self.name,))
        if self.raises is not None:
            raise self.raises

    @staticmethod
    def complete_all(batch: list[Batched], report: Callable[[Batched, object], object]) -> None:
        batch[0].told.append(tuple(each.name for each in batch))


def held(accel: Accelerator, *requests: Any) -> None:
    """Have the worker take all of these in one batch, and wait until it has told of the last."""
    gate = Gate(accel)
    completions = Completions(accel)
    completions.submit("gate")
    gate.entered.acquire()
    for request in requests:
        accel.prepare(request)
        assert accel.submit(request)
    last = completions.submit()
    gate.open()
    completions.wait(2)
    assert last in completions.done


def test_owners_of_one_kind_are_told_in_one_call() -> None:
    told: list[tuple[str, ...]] = []
    with Accelerator(seed=1) as accel:
        gate = Gate(accel)
        completions = Completions(accel)
        completions.submit("gate")
        gate.entered.acquire()
        batch = [Batched(name, told) for name in "abc"]
        for request in batch:
            accel.prepare(request)
            assert accel.submit(request)
        gate.open()
    assert told == [("a", "b", "c")]


@pytest.mark.parametrize("first", [True, False])
def test_owners_of_several_kinds_are_told_one_by_one(first: bool) -> None:
    told: list[tuple[str, ...]] = []
    done: list[Request] = []
    other = Request("echo", b"", on_complete=done.append)
    batch = [Batched("a", told), Batched("b", told)]
    with Accelerator(seed=1, coalescing=Coalescing(1)) as accel:
        held(accel, *([*batch, other] if first else [other, *batch]))
    assert told == [("a",), ("b",)]
    assert done == [other]


# Ctrl-C where the user's own thread hands out


def polled_in_real_time(accel: Accelerator, count: int) -> None:
    """Return when so many completions can be polled for."""
    there = threading.Event()
    while len(accel._device.completions.entries) < count:
        accel.notify_once(there.set)
        there.wait()
        there.clear()


@pytest.mark.parametrize("batched", [False, True], ids=["requests", "batched"])
def test_a_ctrl_c_in_a_handler_comes_out_of_a_poll_in_real_time(batched: bool, reported: list[BaseException]) -> None:
    """Also where the owners could be told in one call, which is only for threads that no Ctrl-C comes to."""
    told: list[tuple[str, ...]] = []
    with Accelerator(seed=1) as accel:
        on_space: list[int] = []
        accel.attach(on_space.append, polled=True)
        requests: list[Any]
        if batched:
            requests = [Batched("a", told, KeyboardInterrupt()), Batched("b", told)]
        else:

            def handler(request: Request) -> None:
                told.append((request.payload.decode(),))
                if request.payload == b"a":
                    raise KeyboardInterrupt

            requests = [Request("echo", name, on_complete=handler) for name in (b"a", b"b")]
        for request in requests:
            accel.prepare(request)
            assert accel.submit(request)
        polled_in_real_time(accel, 2)
        with pytest.raises(KeyboardInterrupt):
            accel.poll()
        assert told == [("a",), ("b",)]
        assert sum(on_space) == 2
        assert accel.statistics().handler_errors == 0
    assert not reported


def test_a_ctrl_c_in_a_handler_that_is_called_a_second_time_comes_out_of_the_poll(
    reported: list[BaseException],
) -> None:
    told: list[bytes] = []

    def handler(request: Request) -> None:
        told.append(request.payload)
        if len(told) == 2:
            raise KeyboardInterrupt

    with Accelerator(seed=1, faults="duplicate") as accel:
        accel.attach(lambda slots: None, polled=True)
        request = Request("echo", b"a", on_complete=handler)
        accel.prepare(request)
        assert accel.submit(request)
        polled_in_real_time(accel, 2)
        with pytest.raises(KeyboardInterrupt):
            accel.poll()
        assert told == [b"a", b"a"]
        assert accel.statistics().spurious == 1
    assert not reported


def test_a_ctrl_c_raised_in_the_worker_by_who_asked_for_completions_does_not_end_it(
    reported: list[BaseException],
) -> None:
    """Signal handlers run in the main thread, so in the worker's thread it is the callback's own fault."""
    with Accelerator(seed=1) as accel:
        accel.attach(lambda slots: None, polled=True)
        raised = threading.Event()

        def asked() -> None:
            if not raised.is_set():
                raised.set()
                raise KeyboardInterrupt

        completions = Completions(accel)
        accel.notify_once(asked)
        completions.submit()
        raised.wait()
        completions.submit()
        polled_in_real_time(accel, 2)
        assert accel.poll() == 2
        assert len(completions.done) == 2
        assert accel.statistics().handler_errors == 1
    assert [type(error) for error in reported] == [KeyboardInterrupt]
