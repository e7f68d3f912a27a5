"""The Python client when it is closed, forked or forgotten, and when its device goes away."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from sim.errors import ClosedError, UsageError
from sim.request import Request
from simaccel.bridge import connect
from simaccel.bridge.client.accelerator import RemoteAccelerator
from simaccel.bridge.remote import NoDeviceError
from tests.bridge.device import SERVE, DeviceProcess
from tests.limits import WAIT_S

NEVER = ("--latency", "fixed:3600s")
"""Options of a device that completes nothing in the time of a test."""


def submit(accel: RemoteAccelerator, op: str = "sha256", then: Callable[[Request], Any] | None = None) -> Request:
    request = Request(op, b"data", on_complete=then)
    accel.prepare(request)
    assert accel.submit(request)
    return request


def test_closing_drains(device: DeviceProcess) -> None:
    with connect(device.address, depth=64) as accel:
        requests = [submit(accel) for _ in range(64)]
    assert all(request.result for request in requests)


def test_closing_drains_what_is_to_be_polled_for(device: DeviceProcess) -> None:
    with connect(device.address, depth=64) as accel:
        accel.attach(lambda freed: None, polled=True)
        requests = [submit(accel) for _ in range(64)]
    assert all(request.result for request in requests)


def test_closing_without_draining_fails_what_is_left() -> None:
    with DeviceProcess(None, *NEVER, module=SERVE) as device:
        accel = connect(device.address)
        request = submit(accel)
        late = []
        accel.call_at(accel.clock.now_ns() + 3_600_000_000_000, lambda: late.append("told"))
        accel.close(drain=False)
        accel.close()
    assert isinstance(request.error, ClosedError)
    assert late == ["told"]  # its time will not come
    assert accel.in_flight == 0
    assert accel.statistics().failed == 1


def test_a_handler_may_not_close_it(device: DeviceProcess) -> None:
    errors: list[BaseException] = []
    done = threading.Event()

    def close(_: Request) -> None:
        try:
            accel.close()
        except UsageError as error:
            errors.append(error)
        done.set()

    with connect(device.address) as accel:
        submit(accel, then=close)
        assert done.wait(WAIT_S)
    assert "wait for itself" in str(errors[0])


def test_a_handler_may_open_sessions(device: DeviceProcess) -> None:
    """It runs in the very thread that takes the device's answers."""
    sessions: list[object] = []
    done = threading.Event()

    def open_one(_: Request) -> None:
        sessions.append(accel.session("hmac", b"key"))
        done.set()

    with connect(device.address, depth=2) as accel:
        submit(accel, then=open_one)
        assert done.wait(WAIT_S)
        assert len(sessions) == 1


def test_sessions_may_be_opened_while_the_ring_is_full_and_polled(device: DeviceProcess) -> None:
    with connect(device.address, depth=2) as accel:
        accel.attach(lambda freed: None, polled=True)
        requests = [submit(accel) for _ in range(2)]
        assert accel.session("hmac", b"key")
        assert all(request.result for request in requests)


def test_what_nobody_holds_any_more_the_device_forgets(device: DeviceProcess) -> None:
    with connect(device.address) as accel:
        keyless = device.stat()["clients"][0]["keys"]
        kept = accel.session("hmac", b"kept")
        for number in range(50):
            accel.session("hmac", b"%d" % number)
        gc.collect()
        assert device.stat()["clients"][0]["keys"] == keyless + 1
        assert kept


def test_a_session_is_for_its_own_connection(device: DeviceProcess) -> None:
    with connect(device.address) as one, connect(device.address) as other:
        session = one.session("hmac", b"key")
        with pytest.raises(UsageError, match="is not a session of"):
            other.prepare(Request("hmac", b"", session=session))  # type: ignore[arg-type]


def test_nothing_is_polled_for_while_it_comes_by_interrupt(device: DeviceProcess) -> None:
    threads: set[str] = set()

    def note(_: Request) -> None:
        threads.add(threading.current_thread().name)
        done.release()

    with connect(device.address) as accel:
        done = threading.Semaphore(0)
        for _ in range(100):
            submit(accel, then=note)
            assert accel.poll() == 0
        for _ in range(100):
            assert done.acquire(timeout=WAIT_S)
    assert threads == {"simaccel-reader"}


def test_without_a_device_timers_go_on_and_polling_tells() -> None:
    device = DeviceProcess(None, *NEVER, module=SERVE)
    with connect(device.address, depth=2) as accel:
        accel.attach(lambda freed: None, polled=True)
        completed: list[Request] = []
        requests = [submit(accel, then=completed.append) for _ in range(2)]
        told = threading.Event()
        accel.notify_once(told.set)
        device.kill()
        assert told.wait(WAIT_S)
        assert not completed
        assert accel.poll() == 2
        assert set(completed) == set(requests)
        assert all(isinstance(request.error, NoDeviceError) for request in requests)
        later = threading.Event()
        accel.call_at(accel.clock.now_ns() + 1_000_000, later.set)
        assert later.wait(WAIT_S)
        with pytest.raises(ClosedError, match="went away"):
            submit(accel)
        with pytest.raises(ClosedError, match="went away"):
            accel.session("hmac", b"key")


def test_the_child_of_a_fork_must_connect_anew_and_keeps_nothing_alive(device: DeviceProcess) -> None:
    accel = connect(device.address)
    result_reader, result_writer = os.pipe()
    ready_reader, ready_writer = os.pipe()
    go_reader, go_writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork with threads, from Python 3.12 on
        child = os.fork()
    if child == 0:
        answer = b"nothing"
        try:
            os.close(go_writer)
            os.write(ready_writer, b".")
            os.read(go_reader, 1)  # until the parent has closed its own
            try:
                submit(accel)
            except ClosedError as error:
                accel.notify_once(bool)
                accel.close()
                with connect(device.address) as own:
                    done = threading.Event()
                    request = submit(own, then=lambda _: done.set())
                    assert done.wait(WAIT_S)
                    answer = f"{error} {accel.poll()} {request.result!r:.2}".encode()
        finally:
            os.write(result_writer, answer)
            os._exit(0)
    os.close(result_writer)
    os.close(go_reader)
    os.close(ready_writer)
    with os.fdopen(ready_reader, "rb") as reader:
        assert reader.read(1)
    accel.close()
    # Would the child hold the socket too, the device would still have this client, and its memory.
    assert device.stat()["clients"] == []
    os.close(go_writer)
    with os.fdopen(result_reader, "rb") as reader:
        assert b"connect again after the fork 0 b'" in reader.read()
    os.waitpid(child, 0)


def test_one_that_is_never_closed_says_so(device: DeviceProcess) -> None:
    accel = connect(device.address)
    accelerators = [accel]
    del accel
    with pytest.warns(ResourceWarning, match="never closed"):
        accelerators.clear()


def test_its_statistics_are_as_those_of_any_accelerator(device: DeviceProcess) -> None:
    with connect(device.address, depth=4) as accel:
        accel.attach(lambda freed: None, polled=True)
        late = Request("sha256", b"")
        accel.prepare(late)
        requests = [submit(accel) for _ in range(4)]
        assert not accel.submit(late)
        statistics = accel.statistics()
        assert (statistics.submitted, statistics.in_flight, statistics.high_water) == (4, 4, 4)
        assert statistics.ring_full == 1
        while accel.in_flight:
            accel.poll()
        statistics = accel.statistics()
    assert all(request.result for request in requests)
    assert (statistics.completed, statistics.failed, statistics.in_flight) == (4, 0, 0)
    assert dict(statistics.by_op) == {"sha256": 4}
    assert statistics.service.max_ns > 0
    assert statistics.busy_ns >= statistics.service.max_ns
    assert statistics.time_at_full_ns > 0
    assert statistics.to_dict()["polls"] == statistics.polls > 0


def test_a_program_that_forgets_to_close_ends(device: DeviceProcess) -> None:
    """Also where a finaliser closes it: the reader's thread, which close() waits for, does not run any more."""
    program = f"""
import warnings
from simaccel.bridge import connect
warnings.simplefilter("ignore", ResourceWarning)
accel = connect({device.address!r})

def use():
    with connect({device.address!r}):
        yield

used = use()
next(used)
"""
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert (child.stdout, child.stderr, child.returncode) == ("", "", 0)
