"""Requests: what is refused when they are prepared, what fails them on the device, and kernels of the user's own."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

import pytest

from sim import Accelerator, Request, UnknownKernelError, UsageError, VirtualClock
from tests.sim.sim_requests import Completions


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def accel(clock: VirtualClock) -> Any:
    with Accelerator(8, clock=clock, max_payload_bytes=1_000) as accel:
        yield accel


def run(accel: Accelerator, op: str, payload: bytes = b"", **more: Any) -> Request:
    """Submit it and let all happen."""
    request = Completions(accel).submit(op, payload, **more)
    clock = accel.clock
    assert isinstance(clock, VirtualClock)
    while clock.jump():
        pass
    return request


# Refused before anything has happened


@pytest.mark.parametrize("payload", ["text", 5, None, ["bytes"], object()])
def test_a_payload_that_is_not_bytes_like(accel: Accelerator, payload: Any) -> None:
    with pytest.raises(UsageError, match=f"a payload of type {type(payload).__name__}"):
        accel.prepare(Request("echo", payload))
    with pytest.raises(UsageError, match="aux of type"):
        accel.prepare(Request("echo", b"", payload))


def test_a_payload_larger_than_the_device_takes(accel: Accelerator) -> None:
    accel.prepare(Request("echo", bytes(1_000)))
    with pytest.raises(UsageError, match=r"1,001 bytes: the device takes at most 1,000"):
        accel.prepare(Request("echo", bytes(1_001)))
    with pytest.raises(UsageError, match=r"1,001 bytes"):
        accel.prepare(Request("aes-gcm-encrypt", bytes(600), bytes(401)))


@pytest.mark.parametrize("value", [0, -1, 1.5, "1MB"])
def test_a_limit_that_can_not_be(value: Any) -> None:
    with pytest.raises(UsageError, match="max_payload_bytes"):
        Accelerator(clock=VirtualClock(), max_payload_bytes=value)


@pytest.mark.parametrize("op", ["sha257", "", None, 5, []])
def test_an_unknown_kernel(accel: Accelerator, op: Any) -> None:
    with pytest.raises(UnknownKernelError, match="the kernels are") as caught:
        accel.prepare(Request(op, b""))
    assert repr(op) in str(caught.value)
    assert isinstance(caught.value, UsageError)


def test_an_unknown_kernel_is_told_what_is_like_it(accel: Accelerator) -> None:
    with pytest.raises(UnknownKernelError, match="did you mean 'sha256'"):
        accel.prepare(Request("sha-256", b""))


def test_a_kernel_that_needs_a_key_and_one_that_takes_none(accel: Accelerator) -> None:
    with pytest.raises(UsageError, match="needs a key"):
        accel.prepare(Request("hmac", b""))
    with pytest.raises(UsageError, match="takes no key"):
        accel.prepare(Request("sha256", b"", session=accel.session("hmac", b"secret")))
    with pytest.raises(UsageError, match="takes no key"):
        accel.session("sha256", b"secret")


def test_nothing_that_was_refused_takes_a_slot(accel: Accelerator) -> None:
    for request in (Request("echo", bytes(2_000)), Request("sha257", b""), Request("hmac", b"")):
        with pytest.raises(UsageError):
            accel.prepare(request)
    assert accel.in_flight == 0
    assert accel.statistics().submitted == 0


# Buffers


@pytest.mark.parametrize("make", [bytearray, lambda data: array("B", data), lambda data: memoryview(bytearray(data))])
def test_a_payload_that_its_owner_changes_in_flight_was_copied(
    accel: Accelerator, clock: VirtualClock, make: Callable[[bytes], Any]
) -> None:
    payload = make(b"as submitted")
    completions = Completions(accel)
    request = completions.submit("echo", payload)
    payload[0] = ord("X")
    clock.jump()
    assert request.result == b"as submitted"


def test_bytes_are_not_copied(accel: Accelerator) -> None:
    payload = b"they can't change"
    assert run(accel, "echo", payload).result is payload


def test_a_strided_view_is_copied_as_it_is_seen(accel: Accelerator) -> None:
    view: Any = memoryview(b"a-b-c-")[::2]
    assert run(accel, "echo", view).result == b"abc"


# Sessions


def test_a_session_serves_any_number_of_requests(accel: Accelerator, clock: VirtualClock) -> None:
    session = accel.session("hmac", b"secret")
    completions = Completions(accel)
    requests = [completions.submit("hmac", b"payload", session=session) for _ in range(5)]
    clock.jump()
    assert len({request.result for request in requests}) == 1
    other = accel.session("hmac", b"another")
    assert run(accel, "hmac", b"payload", session=other).result != requests[0].result


def test_a_replaced_kernel_refuses_the_sessions_of_the_old_one(accel: Accelerator) -> None:
    session = accel.session("hmac", b"secret")
    accel.register("hmac", bytes.upper, replace=True)
    with pytest.raises(UsageError, match="takes no key"):
        accel.prepare(Request("hmac", b"", session=session))
    assert run(accel, "hmac", b"abc").result == b"ABC"


# Kernels of the user's own


def test_any_function_from_bytes_to_bytes(accel: Accelerator) -> None:
    accel.register("upper", bytes.upper)
    assert run(accel, "upper", b"abc").result == b"ABC"
    accel.register("view", lambda payload: memoryview(payload)[1:])  # type: ignore[arg-type, return-value]
    assert run(accel, "view", b"abc").result == b"bc"


def test_a_device_knows_only_its_own(accel: Accelerator) -> None:
    accel.register("mine", bytes.upper)
    with Accelerator(clock=VirtualClock()) as other, pytest.raises(UnknownKernelError):
        other.prepare(Request("mine", b""))


def test_a_name_that_is_taken(accel: Accelerator) -> None:
    with pytest.raises(UsageError, match="exists already"):
        accel.register("sha256", bytes.upper)
    assert run(accel, "sha256").result != b""


@pytest.mark.parametrize(("name", "function"), [("", bytes.upper), ("a b", bytes.upper), (5, bytes.upper), ("x", b"")])
def test_what_can_not_be_registered(accel: Accelerator, name: Any, function: Any) -> None:
    with pytest.raises(UsageError):
        accel.register(name, function)


class NotAnException(BaseException):
    """As pytest's own outcomes, and those of other libraries, are."""


@pytest.mark.parametrize("error", [ValueError("bad input"), MemoryError(), SystemExit(1), NotAnException()])
@pytest.mark.parametrize("virtual", [True, False])
def test_a_kernel_that_raises_fails_its_request_and_nothing_else(error: BaseException, virtual: bool) -> None:
    def fails(payload: bytes) -> bytes:
        raise error

    clock = VirtualClock() if virtual else None
    with Accelerator(8, clock=clock) as accel:
        accel.register("fails", fails)
        completions = Completions(accel)
        before, failing, after = (completions.request(op) for op in ("echo", "fails", "echo"))
        for request in (before, failing, after):
            accel.enqueue(request)
        accel.doorbell()
        if clock is not None:
            while clock.jump():
                pass
        completions.wait(3)
        assert failing.error is error
        assert failing.result is None
        assert (before.error, before.result, after.error, after.result) == (None, b"", None, b"")
        statistics = accel.statistics()
        assert (statistics.completed, statistics.failed, statistics.handler_errors) == (2, 1, 0)
        completions.submit()  # the device lives
    assert len(completions.done) == 4


def test_ctrl_c_in_a_kernel_in_virtual_time_stops_the_program_and_loses_no_request(clock: VirtualClock) -> None:
    """There the kernel runs in the thread that the user interrupts."""

    def interrupted(payload: bytes) -> bytes:
        raise KeyboardInterrupt

    accel = Accelerator(8, latency="fixed:1us", clock=clock)
    accel.register("interrupted", interrupted)
    completions = Completions(accel)
    requests = [completions.submit(op) for op in ("echo", "interrupted", "echo")]
    with pytest.raises(KeyboardInterrupt):
        clock.advance(10_000)
    accel.close()
    assert sorted(map(id, completions.done)) == sorted(map(id, requests))
    assert isinstance(requests[1].error, KeyboardInterrupt)
    assert requests[2].result == b""


@pytest.mark.parametrize("result", ["text", 5, None])
def test_a_kernel_that_returns_no_bytes_fails_its_request(accel: Accelerator, result: Any) -> None:
    accel.register("odd", lambda payload: result)
    error = run(accel, "odd").error
    assert isinstance(error, TypeError)
    assert f"returned {type(result).__name__}" in str(error)


def test_a_request_keeps_the_kernel_that_it_was_prepared_with(accel: Accelerator, clock: VirtualClock) -> None:
    accel.register("mine", bytes.upper)
    completions = Completions(accel)
    request = completions.submit("mine", b"Abc")
    accel.register("mine", bytes.lower, replace=True)
    clock.jump()
    assert request.result == b"ABC"
