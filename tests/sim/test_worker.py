"""The worker thread: no wake-up is lost, nothing that is called can end it, and if it ends all the same, all fails."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator

import pytest

from sim import Accelerator, InternalError, Request
from sim.device import Device
from sim.ring import CompletionRing
from tests.sim.sim_requests import Completions, Gate


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads give way to each other as often as they can, so that rare orders are met."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("latency", [None, "fixed:1ns", "fixed:20us", "uniform:0us,50us"])
def test_no_wake_up_is_lost(latency: str | None) -> None:
    """Each thread waits for its own completion before it submits again: one lost doorbell and it waits for ever."""
    rounds, count = 150, 6
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
                    pass
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
                    accel.poll(1)
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


# What is called may raise


@pytest.mark.parametrize("error", [ValueError("the handler's"), SystemExit(1), KeyboardInterrupt()])
def test_a_handler_that_raises_is_reported_and_the_worker_lives(
    error: BaseException, reported: list[BaseException]
) -> None:
    def fails(request: Request) -> None:
        raise error

    with Accelerator(8) as accel:
        completions = Completions(accel)
        failing = Request("echo", b"", on_complete=fails)
        accel.prepare(failing)
        before, after = completions.request(), completions.request()
        for request in (before, failing, after):
            accel.enqueue(request)
        accel.doorbell()
        completions.wait(2)
        completions.submit()
        completions.wait()
        statistics = accel.statistics()
    assert reported == [error]
    assert any("the handler of a completion raised" in note for note in error.__notes__)
    assert (statistics.completed, statistics.handler_errors) == (4, 1)
    del error.__notes__


def test_a_handler_that_blocks_shows_in_the_statistics() -> None:
    with Accelerator(8) as accel:
        released, entered = threading.Semaphore(0), threading.Semaphore(0)

        def blocks(request: Request) -> None:
            entered.release()
            released.acquire()

        request = Request("null", b"", on_complete=blocks)
        accel.prepare(request)
        accel.submit(request)
        entered.acquire()
        begin_ns = accel.clock.now_ns()
        while accel.clock.now_ns() < begin_ns + 1_000_000:
            pass
        released.release()
        completions = Completions(accel)
        completions.submit()
        completions.wait()
        assert accel.statistics().longest_interrupt_ns >= 1_000_000


def test_a_hook_that_raises_ends_nothing(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def hook(args: threading.ExceptHookArgs) -> None:
        raise RuntimeError("the hook's")

    def fails(request: Request) -> None:
        raise ValueError("the handler's")

    monkeypatch.setattr(threading, "excepthook", hook)
    with Accelerator(8) as accel:
        request = Request("null", b"", on_complete=fails)
        accel.prepare(request)
        accel.submit(request)
        completions = Completions(accel)
        completions.submit()
        completions.wait()


# A bug of ours


class Planted(Exception):
    """Raised where the device can't expect it."""


def crash_in(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def planted(*args: object) -> None:
        raise Planted(where)

    owner = CompletionRing if where in ("push", "extend", "take") else Device
    monkeypatch.setattr(owner, where, planted)


@pytest.mark.parametrize(
    ("where", "latency"),
    [
        ("_run_straight", None),
        ("_complete_straight", None),
        ("_assign", "fixed:1us"),
        ("schedule", "fixed:1us"),
        ("_retire", "fixed:1us"),
        ("work", "fixed:1us"),
        ("_handle_interrupt", None),
        ("_handle_interrupt", "fixed:1us"),
        ("next_due_ns", "fixed:1us"),
    ],
)
def test_a_crash_fails_all_that_is_in_flight_and_refuses_what_comes(
    monkeypatch: pytest.MonkeyPatch, reported: list[BaseException], where: str, latency: str | None
) -> None:
    accel = Accelerator(8, latency=latency)
    completions = Completions(accel)
    sent = [completions.request() for _ in range(5)]
    crash_in(monkeypatch, where)
    for request in sent[:4]:
        accel.enqueue(request)
    accel.doorbell()
    completions.wait(4)
    monkeypatch.undo()
    assert [type(error) for error in reported] == [Planted]
    assert accel.in_flight == 0
    assert sorted(map(id, completions.done)) == sorted(map(id, sent[:4]))
    for request in sent[:4]:
        assert request.error is None or "crashed" in str(request.error)
    with pytest.raises(InternalError, match="worker crashed"):
        accel.submit(sent[4])
    accel.close()
    assert accel.statistics().in_flight == 0


class Odd:
    """A timing model of somebody else's, with a bug."""

    spec = "odd"

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        if size_bytes:
            raise Planted("of the model")
        return 0


def test_a_timing_model_that_raises(reported: list[BaseException]) -> None:
    with Accelerator(8, latency=Odd()) as accel:
        completions = Completions(accel)
        sent = [completions.request(payload=payload) for payload in (b"", b"1", b"")]
        for request in sent:
            accel.enqueue(request)
        accel.doorbell()
        completions.wait(3)
        assert all(isinstance(request.error, InternalError) for request in sent)
        assert accel.in_flight == 0
        with pytest.raises(InternalError, match="of the model"):
            accel.submit(completions.request())
    assert [type(error) for error in reported] == [Planted]


@pytest.mark.usefixtures("frequent_switches")
def test_no_submit_slips_past_a_crash(monkeypatch: pytest.MonkeyPatch, reported: list[BaseException]) -> None:
    """What is taken is completed: as failed, if the worker crashes just then."""

    def dies(payload: bytes) -> bytes:
        monkeypatch.setattr(Device, "next_due_ns", planted)
        return b""

    def planted(device: Device) -> None:
        raise Planted("at the end of a step")

    for _ in range(30):
        with Accelerator(1024) as accel:
            accel.register("dies", dies)
            completions = Completions(accel)
            taken: list[Request] = []

            def client(
                accel: Accelerator = accel, completions: Completions = completions, taken: list[Request] = taken
            ) -> None:
                for _ in range(200):
                    request = completions.request("null")
                    try:
                        if accel.submit(request):
                            taken.append(request)
                    except InternalError:
                        return

            clients = [threading.Thread(target=client) for _ in range(2)]
            for thread in clients:
                thread.start()
            completions.submit("dies")
            for thread in clients:
                thread.join()
            completions.wait(len(taken) + 1)
            monkeypatch.undo()
        reported.clear()
