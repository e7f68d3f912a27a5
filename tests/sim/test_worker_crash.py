"""What the worker calls may raise, and does not end it; and if a bug of ours ends it all the same, all is failed."""

from __future__ import annotations

import random
import threading

import pytest

from sim import Accelerator, InternalError, Request, SimError
from sim.completion import Reaper
from sim.device import Device
from sim.gate import Gate
from sim.schedule import RequestSchedule
from tests.sim.sim_requests import Completions

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


class Unshowable:
    """Called by the device, raises, and can't be shown."""

    def __call__(self, *args: object) -> None:
        raise ValueError("told")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Unnotable(Exception):
    """Takes no notes, and can't be shown."""

    def add_note(self, note: str) -> None:
        raise RuntimeError("no notes")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_a_culprit_that_cannot_be_shown_is_reported_all_the_same(reported: list[BaseException]) -> None:
    with Accelerator(8) as accel:
        accel.call_at(accel.clock.now_ns(), Unshowable())
        completions = Completions(accel)
        completions.submit()
        completions.wait()
    assert [str(error) for error in reported] == ["told"]
    assert "a Unshowable whose __repr__ raises" in reported[0].__notes__[0]


@pytest.mark.parametrize("hook_raises", [False, True])
def test_an_error_that_takes_no_note_is_reported_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], hook_raises: bool
) -> None:
    seen: list[BaseException | None] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        seen.append(args.exc_value)
        if hook_raises:
            raise Unnotable

    def fails(request: Request) -> None:
        raise Unnotable

    monkeypatch.setattr(threading, "excepthook", hook)
    with Accelerator(8) as accel:
        request = Request("null", b"", on_complete=fails)
        accel.prepare(request)
        accel.submit(request)
        completions = Completions(accel)
        completions.submit()
        completions.wait()
        assert accel.statistics().handler_errors == 1
    assert [type(error) for error in seen] == [Unnotable]


# A bug of ours


class Planted(Exception):
    """Raised where the device can't expect it."""


def crash_in(monkeypatch: pytest.MonkeyPatch, part: type, method: str) -> None:
    def planted(*args: object) -> None:
        raise Planted(method)

    monkeypatch.setattr(part, method, planted)


@pytest.mark.python_source
@pytest.mark.parametrize(
    ("part", "method", "latency"),
    [
        (Device, "_run_straight", None),
        (Device, "_land_all", None),
        (Device, "_assign", "fixed:1us"),
        (RequestSchedule, "add", "fixed:1us"),
        (Device, "_retire", "fixed:1us"),
        (RequestSchedule, "work", "fixed:1us"),
        (Reaper, "handle_interrupt", None),
        (Reaper, "handle_interrupt", "fixed:1us"),
        (Device, "_next_due_ns", "fixed:1us"),
    ],
)
def test_a_crash_fails_all_that_is_in_flight_and_refuses_what_comes(
    monkeypatch: pytest.MonkeyPatch, reported: list[BaseException], part: type, method: str, latency: str | None
) -> None:
    accel = Accelerator(8, latency=latency)
    completions = Completions(accel)
    sent = [completions.request() for _ in range(5)]
    crash_in(monkeypatch, part, method)
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


@pytest.mark.python_source
def test_no_submit_slips_past_a_crash(monkeypatch: pytest.MonkeyPatch, reported: list[BaseException]) -> None:
    """Refused under the lock that submits hold: one that has seen no refusal is on the ring before the last look."""
    held: list[bool] = []
    accel = Accelerator(8)

    def change_refusal(gate: Gate, why: SimError | None, instead_of: SimError | None) -> bool:
        held.append(gate.lock._is_owned())  # type: ignore[attr-defined]
        gate.refusal = why
        gate.checks_submits = True
        return True

    monkeypatch.setattr(Gate, "change_refusal", change_refusal)
    completions = Completions(accel)
    crash_in(monkeypatch, Device, "_next_due_ns")
    completions.submit()
    completions.wait()
    accel.close()
    assert held == [True]
    assert [type(error) for error in reported] == [Planted]
