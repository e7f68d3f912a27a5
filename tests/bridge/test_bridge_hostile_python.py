"""The Python client against a device that is broken or hostile.

It raises the right error and ends every request once, its threads stay alive, and no fd stays open.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from random import Random

import pytest

from sim.errors import ClosedError, ResetError
from sim.request import Request
from simaccel.bridge import NoDeviceError, connect, read_report, wire
from simaccel.bridge.client.accelerator import RemoteAccelerator, RequestFailed
from simaccel.bridge.wire import SubmissionFields
from tests.bridge.commands import simaccel
from tests.bridge.device import fresh_address
from tests.bridge.hostile_device import HostileDevice, fds_of_all_kinds
from tests.limits import WAIT_S

SEEDS = int(os.environ.get("SIMACCEL_FUZZ_CASES", "0")) // 1000 or 60
AGES = 2**64 - 1

MEMORY, DOORBELL, INTERRUPT = range(3)


@pytest.fixture(autouse=True)
def no_thread_dies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    dead: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", dead.append)
    yield
    assert not dead


def submit(accel: RemoteAccelerator, then: Callable[[Request], None] = lambda _: None) -> Request:
    request = Request("echo", b"data", on_complete=then)
    accel.prepare(request)
    assert accel.submit(request)
    return request


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        *((MEMORY, kind) for kind in ("reader", "socket", "folder", "null", "unsealed", "small", "eventfd", "epoll")),
        *((DOORBELL, kind) for kind in ("reader", "writer", "socket", "folder", "null", "unsealed", "epoll")),
        *((INTERRUPT, kind) for kind in ("reader", "socket", "folder", "null", "small", "eventfd")),
    ],
)
def test_wrong_fds_are_refused(place: int, kind: str) -> None:
    with fds_of_all_kinds() as others:

        def exchanged(fds: list[int]) -> list[int]:
            fds[place] = others[kind]
            return fds

        with HostileDevice(fds=exchanged) as device, pytest.raises(NoDeviceError, match="sent a wrong welcome"):
            connect(device.address)


@pytest.mark.parametrize("count", range(3))
def test_too_few_fds_are_no_device(count: int) -> None:
    with HostileDevice(fds=lambda fds: fds[:count]) as device, pytest.raises(NoDeviceError, match="fds came with it"):
        connect(device.address)


def test_more_fds_than_were_asked_for_do_not_stay() -> None:
    with HostileDevice(fds=lambda fds: fds * 20) as device, connect(device.address) as accel:
        assert accel.depth == 256


@pytest.mark.parametrize(
    "fields", [(0,), (3,), (512,), (AGES >> 32,), (256, 64), (256, 131_072, 0), (256, 131_072, 4096, 4096)]
)
def test_a_layout_that_was_not_asked_for_is_no_device(fields: tuple[int, ...]) -> None:
    def other(welcome: bytes) -> bytes:
        changed = struct.pack(f"<{len(fields)}I", *fields)
        return welcome[:8] + changed + welcome[8 + len(changed) :]

    with HostileDevice(welcome=other) as device, pytest.raises(NoDeviceError, match="sent a wrong welcome"):
        connect(device.address)


@pytest.mark.parametrize("times", [(AGES, AGES), (0, AGES), (AGES, 0), (0, 0), (2**63, 2**62)])
def test_impossible_times_are_not_believed(times: tuple[int, int]) -> None:
    def at_any_time(device: HostileDevice, submission: SubmissionFields) -> None:
        device.complete(submission.cookie, 0, 4, *times)

    done = threading.Event()
    with HostileDevice(at_any_time) as device, connect(device.address) as accel:
        request = submit(accel, lambda _: done.set())
        assert done.wait(WAIT_S)
        assert request.result == b"data"
        assert request.submitted_ns <= request.started_ns <= request.finished_ns <= accel.clock.now_ns()
        statistics = accel.statistics()
    assert 0 <= statistics.service.max_ns <= statistics.busy_ns < 10**12


def test_a_device_that_only_interrupts_is_given_up() -> None:
    ended = threading.Event()

    def interrupt_on(device: HostileDevice, _: tuple[int, ...]) -> None:
        while not ended.is_set():
            device.interrupt()

    with HostileDevice(interrupt_on) as device, connect(device.address) as accel:
        request = submit(accel, lambda _: ended.set())
        assert ended.wait(WAIT_S)
        assert isinstance(request.error, NoDeviceError)
        assert "interrupts and completes nothing" in str(request.error)


def misbehave(random: Random) -> Callable[[HostileDevice, SubmissionFields], None]:
    """Does anything that a device could do with a submission, and hangs up after some of them."""
    left = random.randrange(1, 40)
    cookies: list[int] = []

    def number() -> int:
        return random.choice([0, 1, AGES, 2**63, 2**62, random.getrandbits(64)])

    def call(device: HostileDevice, submission: SubmissionFields) -> None:
        nonlocal left
        left -= 1
        cookies.append(submission.cookie)
        way = random.randrange(9)
        if way < 3:
            status = random.choice([0, 0, -1, -6, 7, -(2**31), 2**31 - 1])
            length = random.choice([0, 4, 131_072, 131_073, 2**32 - 1])
            device.complete(submission.cookie, status, length, number(), number())
        elif way == 3:
            device.complete(number())
        elif way == 4:
            device.complete(random.choice(cookies))
        elif way == 5:
            device.memory.bytes[: device.memory.layout.slots_off] = random.randbytes(device.memory.layout.slots_off)
            device.interrupt()
        elif way == 6:
            device.set_tail(random.choice([0, device.memory.cq_tail + random.randrange(300), number()]))
        elif way == 7:
            for _ in range(random.randrange(5)):
                device.interrupt()
        else:
            device.control.send(random.randbytes(random.randrange(1, 100)))
        if not left:
            device.hang_up()

    return call


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_a_device_completes_each_request_ends_once(seed: int) -> None:
    ended: list[Request] = []
    submitted: list[Request] = []
    with HostileDevice(misbehave(Random(seed))) as device, connect(device.address) as accel:
        for _ in range(accel.depth):
            request = Request("echo", b"data", on_complete=ended.append)
            accel.prepare(request)
            try:
                assert accel.submit(request)
                submitted.append(request)
            except ClosedError:
                break
        accel.close()
        statistics = accel.statistics()
    assert sorted(map(id, ended)) == sorted(map(id, submitted))
    for request in submitted:
        assert (request.result is None) == isinstance(request.error, NoDeviceError | RequestFailed | ResetError)
        assert request.submitted_ns <= request.started_ns <= request.finished_ns
    assert statistics.in_flight == 0
    assert statistics.completed + statistics.failed == len(submitted)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_a_device_sends_first_connects_or_is_no_device(seed: int) -> None:
    random = Random(seed)

    def damaged(welcome: bytes) -> bytes:
        data = bytearray(welcome)
        for _ in range(random.choice([0, 0, 1, 3])):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        return bytes(data[: random.choice([len(data), len(data), random.randrange(1, len(data))])])

    with fds_of_all_kinds() as others:

        def exchanged(fds: list[int]) -> list[int]:
            for place in range(3):
                if random.randrange(4) == 0:
                    fds[place] = random.choice(list(others.values()))
            return fds[: random.choice([3, 3, 3, random.randrange(4)])]

        with HostileDevice(fds=exchanged, welcome=damaged) as device:
            try:
                accel = connect(device.address)
            except NoDeviceError:
                return
            accel.close()


@pytest.mark.parametrize(
    "report", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 60_000, json.dumps({"clients": 3}).encode(), b"{}"]
)
def test_a_report_that_is_none_is_one_line(report: bytes) -> None:
    address = fresh_address()
    no_dict = not report.endswith(b"}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(wire.socket_address(address))
        listener.listen()

        def answer() -> None:
            for _ in range(1 + no_dict):
                with listener.accept()[0] as peer:
                    peer.recv(4096)
                    peer.send(wire.message(wire.Message.REPORT, report))

        thread = threading.Thread(target=answer)
        thread.start()
        if no_dict:
            with pytest.raises(NoDeviceError, match="does not answer with a report"):
                read_report(address)
        done = simaccel("stat", address=address)
        thread.join()
    assert done.returncode == 1
    assert ("does not answer with a report" if no_dict else "is another simaccel than ours") in done.stderr
    assert done.stderr.count("\n") == 1
