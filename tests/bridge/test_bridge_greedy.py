"""Clients that misuse the fds that the device gave them: the others are served all the same."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import select
import socket
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from simaccel.bridge import Server, connect, wire
from simaccel.bridge.client.shared import SharedRings
from simaccel.bridge.device.connections import ACCEPTED_AT_ONCE
from simaccel.bridge.remote import NoDeviceError
from simaccel.bridge.wire import AT_NO_INTERRUPT, CompletionStatus, Opcode
from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.bridge.test_bridge_connect import call
from tests.keys import rsa_key
from tests.limits import WAIT_S
from tests.waiting import wait_until

_KEY = rsa_key()
PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
ENCRYPTED = _KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))

FULL = 2**64 - 2
"""The most that an eventfd counts to: one more is a write that blocks, or would."""


def submit(rings: SharedRings, serial: int, operation: Opcode) -> None:
    slot = rings.slot(serial % rings.layout.entries)
    rings.submit(serial, operation, 0, 0, slot, 64, slot, 1024, slot, 0, 0)
    with suppress(BlockingIOError):
        rings.ring_doorbell()


@pytest.mark.parametrize("way", ["at once", "by workers"])
def test_a_client_that_makes_its_fds_blocking_and_full_holds_nobody_up(way: str) -> None:
    options = ("--latency", "fixed:1ns") if way == "by workers" else ()
    with DeviceProcess(None, *options, module=SERVE) as device:
        hostile = SharedRings(device.address, 4, 4096)
        for fd in (hostile.doorbell, hostile.interrupt):
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        with suppress(OSError):
            os.eventfd_write(hostile.interrupt, FULL)
        for serial in range(4):
            submit(hostile, serial, Opcode.ECHO)
        wait_until(hostile.reap)  # so that the device has met it
        with connect(device.address) as accel:
            assert all(call(accel, "echo", b"honest").result == b"honest" for _ in range(100))
        assert device.stat()["clients"][0]["completed"] > 0
        hostile.close()


@pytest.mark.parametrize(("material", "params"), [(PEM, {}), (ENCRYPTED, {"password": {"hex": b"secret".hex()}})])
def test_no_key_that_may_take_long_to_open_is_opened(
    device: DeviceProcess, material: bytes, params: dict[str, object]
) -> None:
    """While the device loads a key nobody else is served. RSA keys from PEM would be checked at length, an encrypted
    key says itself how many rounds it takes to decrypt it. So all that is taken is PKCS #8 in the clear."""
    hostile = SharedRings(device.address, 4, 4096)
    asked = json.dumps({"kernel": "rsa-sign", "keyed": True, "params": params}).encode()
    slot = hostile.slot(0)
    aux = slot + len(material)
    hostile.bytes[slot : aux + len(asked)] = material + asked
    hostile.submit(1, Opcode.SESSION_OPEN, 0, 7, slot, len(material), slot, 0, aux, len(asked), 0)
    hostile.ring_doorbell()
    with connect(device.address) as accel:
        assert call(accel, "echo", b"honest").result == b"honest"
    completions = hostile.reap()
    assert [completion.status for completion in completions] == [CompletionStatus.UNSUPPORTED]
    assert device.stat()["clients"][0]["keys"] == 0
    hostile.close()


@pytest.mark.parametrize(("options", "operation"), [((), Opcode.ECHO), (("--latency", "fixed:1ns"), Opcode.CALL)])
def test_a_client_that_says_it_will_submit_later_does_not_spoil_the_statistics(
    options: tuple[str, ...], operation: Opcode
) -> None:
    with DeviceProcess(None, *options, module=SERVE) as device, connect(device.address) as accel:
        hostile = SharedRings(device.address, 4, 4096)
        asked = json.dumps({"kernel": "echo", "keyed": False, "params": {}}).encode()
        slot = hostile.slot(0)
        hostile.bytes[slot : slot + len(asked)] = asked
        hostile.submit(1, Opcode.SESSION_OPEN, 0, 7, slot, 0, slot, 0, slot, len(asked), 0)
        hostile.submit(2, operation, 0, 7, slot, 64, slot, 1024, slot, 0, 2**64 - 1)
        hostile.ring_doorbell()
        assert call(accel, "echo", b"honest").result == b"honest"
        wait_until(lambda: not device.stat()["in_flight"])
        report = device.stat()
        assert all(0 <= worker["queue"]["max_ns"] < 10**18 for worker in (*report["workers"], report["short"]))
        hostile.close()


def test_clients_for_whom_there_are_no_fds_left_harm_nobody(device: DeviceProcess) -> None:
    resource.prlimit(device.process.pid, resource.RLIMIT_NOFILE, (40, 40))
    with connect(device.address) as accel:
        before = device.stat()
        others: list[SharedRings] = []

        def connect_many() -> None:
            for _ in range(40):
                others.append(SharedRings(device.address, 4, 1024))

        with pytest.raises(NoDeviceError, match="client: Too many open files; raise the device's limit of open files"):
            connect_many()
        waiting = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(20)]
        for peer in waiting:
            peer.connect(wire.socket_address(device.address))
        assert all(call(accel, "echo", b"honest").result == b"honest" for _ in range(20))
        # A connection that asks something is answered; for that one is dropped that says nothing.
        assert device.stat()["connected"] == 1 + len(others)
        for rings in others:
            rings.close()
        for peer in waiting:
            peer.close()
        wait_until(lambda: len(device.stat()["clients"]) == 1)
        after = device.stat()
    assert after["wakes"] - before["wakes"] < 400  # it has not looked for them all the time


def test_all_waiting_connections_are_let_in_at_once() -> None:
    """Between two looks there may be a visit to every client: one each would be too late for a program that is
    patient for 250 ms."""
    with Server(fresh_address(), own_process=True) as server:
        peers = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(ACCEPTED_AT_ONCE)]
        for peer in peers:
            peer.connect(wire.socket_address(server.address))
            peer.send(wire.hello(4, 1024))
        server._handle(server._epoll.poll(0))
        for peer in peers:
            peer.setblocking(False)
            data, fds, _, _ = socket.recv_fds(peer, wire.MAX_MESSAGE_BYTES, 3)
            assert data == wire.welcome(wire.Layout.of(4, 1024))
            for fd in fds:
                os.close(fd)
            peer.close()


def test_an_interrupt_is_seen_until_it_is_acknowledged(device: DeviceProcess) -> None:
    rings = SharedRings(device.address, 8, 4096)
    poller = select.poll()
    poller.register(rings.interrupt, select.POLLIN)
    for serial in range(20):
        submit(rings, serial, Opcode.ECHO)
        assert poller.poll(WAIT_S * 1000)
        assert poller.poll(0)
        for _ in range(2):
            rings.acknowledge()
            assert poller.poll(0) == []
        assert len(rings.reap()) == 1
    rings.bytes.cast("Q")[AT_NO_INTERRUPT // 8] = 1
    submit(rings, 20, Opcode.ECHO)
    wait_until(rings.reap)
    assert poller.poll(0) == []
    rings.close()
