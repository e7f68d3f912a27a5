"""A client with one request among clients with thousands, and clients that go while thousands of theirs wait.

What a request waits for is counted in requests done before it. How long each takes does not matter.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from simaccel.bridge import Server, read_report
from simaccel.bridge.client.shared import Completion, SharedRings
from simaccel.bridge.device.server import BUDGET
from simaccel.bridge.wire import SCHEME, CompletionStatus, Digest, Opcode, Padding
from tests.bridge.commands import simaccel
from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.bridge.test_bridge_signals import state
from tests.bridge.toolbox import by_op
from tests.keys import rsa_bytes
from tests.limits import WAIT_NS
from tests.waiting import wait_until

ENTRIES = 1_024
SLOT_BYTES = 4_096
KEY_ID = 1

RSA, ED25519 = Opcode.RSA_SIGN, Opcode.ED25519_SIGN
NAMES = {RSA: "rsa-sign", ED25519: "ed25519-sign"}
MODELS = {"workers": (), "core": ("--fault", "fail:op=echo"), "model": ("--latency", "fixed:1ms", "--units", "4")}


@cache
def key(operation: Opcode) -> bytes:
    if operation == RSA:
        return rsa_bytes(4096, Encoding.DER)
    return ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


class Client:
    """A client that submits all at once, and waits for nothing."""

    def __init__(self, address: str, operation: Opcode = RSA) -> None:
        self.rings = SharedRings(address, ENTRIES, SLOT_BYTES)
        self.operation = operation
        self._serial = 0
        self._load()

    def _submit(self, operation: Opcode, data: bytes, aux: bytes = b"") -> None:
        rings = self.rings
        slot = rings.slot(self._serial % ENTRIES)
        rings.bytes[slot : slot + len(data) + len(aux)] = data + aux
        self._serial += 1
        place = slot, len(data), slot, SLOT_BYTES - 4, slot + len(data), len(aux), 0
        rings.submit(self._serial, operation, 0, KEY_ID, *place)

    def _load(self) -> None:
        self._submit(Opcode.KEY_LOAD, key(self.operation))
        self.rings.ring_doorbell()
        self.wait_for(1)

    def sign(self, count: int) -> None:
        scheme = SCHEME.pack(Padding.PKCS1, Digest.SHA256, Digest.SHA256, 0)
        for _ in range(count):
            self._submit(self.operation, bytes(32), scheme if self.operation == RSA else b"")
        self.rings.ring_doorbell()

    def wait_for(self, count: int) -> list[Completion]:
        done: list[Completion] = []
        while len(done) < count:
            done += self.rings.reap(count - len(done))
            os.sched_yield()
        assert {completion.status for completion in done} == {CompletionStatus.OK}
        return done

    def go(self) -> None:
        self.rings.unmap()
        self.rings.close()


@contextmanager
def clients(address: str, count: int, operation: Opcode = RSA) -> Iterator[list[Client]]:
    made = [Client(address, operation) for _ in range(count)]
    try:
        yield made
    finally:
        for client in made:
            client.go()


@pytest.mark.parametrize("way", MODELS)
def test_requests_of_clients_that_have_gone_are_not_done(way: str) -> None:
    with DeviceProcess(None, *MODELS[way], module=SERVE) as device:
        with clients(device.address, 3) as dead:
            for client in dead:
                client.sign(ENTRIES - 1)
            wait_until(lambda: device.stat()["submitted"] >= 3 * ENTRIES)
        with clients(device.address, 1) as (alive,):
            wait_until(lambda: len(device.stat()["clients"]) == 1)
            before = by_op(device.stat(), "rsa-sign")
            alive.sign(1)
            alive.wait_for(1)
            report = device.stat()
    # What a core has before it is done: that is little.
    assert by_op(report, "rsa-sign") - before <= 1 + 2 * 8
    done = by_op(report, "rsa-sign") + report["orphaned"]
    assert report["dropped"] + done == 3 * (ENTRIES - 1) + 1
    assert report["dropped"] > 0
    assert report["in_flight"] == report["waiting"] == 0


@pytest.mark.parametrize("way", MODELS)
def test_one_request_waits_for_little_of_what_others_have_asked_for(way: str) -> None:
    """RSA-4096 takes longer than a turn. So it waits for what is being done, and for one request of a turn; with a
    device core, for what that has before it too."""
    with DeviceProcess(None, *MODELS[way], module=SERVE) as device, clients(device.address, 4) as (alive, *busy):
        for client in busy:
            client.sign(ENTRIES - 1)
        wait_until(lambda: by_op(device.stat(), "rsa-sign") >= 20)
        # It stands still until the one has submitted. When requests were done, it says itself.
        device.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: state(device.process.pid) == "T")
        done = sum(len(client.rings.reap()) for client in busy)
        assert done < 2 * ENTRIES  # as many still wait, and more
        alive.sign(1)
        device.process.send_signal(signal.SIGCONT)
        (own,) = alive.wait_for(1)
        before = [one for client in busy for one in client.rings.reap() if one.finished_ns <= own.finished_ns]
        # A tenth of what waits: its threads may get cores at different times.
        assert len(before) < 3 * ENTRIES // 10


@contextmanager
def server_with(count: int) -> Iterator[tuple[Server, list[SharedRings]]]:
    """A server that serves when the test says so, and so many clients."""
    made: list[SharedRings] = []
    with Server(fresh_address(), own_process=True) as server:
        for _ in range(count):
            thread = threading.Thread(target=lambda: made.append(SharedRings(server.address, ENTRIES, SLOT_BYTES)))
            thread.start()
            while thread.is_alive():
                server._handle(server._epoll.poll(0.001))
        yield server, made
        for rings in made:
            rings.unmap()
            rings.close()


def submit(rings: SharedRings, count: int) -> None:
    for serial in range(count):
        slot = rings.slot(serial)
        rings.submit(serial, Opcode.ECHO, 0, 0, slot, 64, slot, 1024, slot, 0, 0)


def test_what_is_done_at_once_is_done_in_turn_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """One round of visits after the other: each takes a little from every client."""
    monkeypatch.setattr("simaccel.bridge.device.server.ROUND_NS", WAIT_NS)  # however long this thread gets no core
    with server_with(5) as (server, (alive, *busy)):
        for rings in busy:
            submit(rings, ENTRIES)
        done = [0] * 4
        for round_ in range(20):
            if round_ == 10:
                submit(alive, 1)
            assert server._visit_all()
            took = [len(rings.reap()) for rings in busy]
            assert sum(took) <= BUDGET
            done = [one + other for one, other in zip(done, took, strict=True)]
            if round_ == 11:
                assert len(alive.reap()) == 1
        assert min(done) > 0


def test_a_round_that_was_interrupted_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise only the clients that came first would be served."""
    monkeypatch.setattr("simaccel.bridge.device.server.ROUND_NS", 0)
    with server_with(3) as (server, clients_rings):
        for rings in clients_rings:
            submit(rings, 64)
        visited = []
        for _ in range(6):
            assert server._visit_all()
            visited.append([bool(rings.reap()) for rings in clients_rings].index(True))
        assert visited == [0, 1, 2, 0, 1, 2]


def test_a_device_with_thousands_of_clients_tells_of_all_of_them(device: DeviceProcess) -> None:
    """In pages, as one message has a limit."""
    many = [SharedRings(device.address, 2, 256) for _ in range(300)]
    try:
        report = read_report(device.address)
        assert report["connected"] == len(report["clients"]) == 300
        assert len(json.dumps(device.stat())) < 150_000
        told = simaccel("stat", address=device.address, check=True).stdout
        assert "clients     268 more, 300 in all: --json lists them" in told
        listed = json.loads(simaccel("stat", "--json", address=device.address, check=True).stdout)["clients"]
        assert len(listed) == 300
    finally:
        for rings in many:
            rings.unmap()
            rings.close()
