"""`simaccel.connect`: the device process as an accelerator for Python programs."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from engine import Engine, Scheduler
from sim.errors import ClosedError, UsageError
from sim.request import Request
from simaccel.bridge import connect
from simaccel.bridge.client.accelerator import RemoteAccelerator, RequestFailed
from simaccel.bridge.remote import NoDeviceError
from tests.bridge.device import DeviceProcess, fresh_address
from tests.keys import rsa_key
from tests.limits import WAIT_S


@pytest.mark.parametrize("notify", ["fd", "callback", "poll"])
def test_jobs_of_the_engine_run_on_it(device: DeviceProcess, notify: str) -> None:
    blobs = [os.urandom(n) for n in range(200)]
    with (
        connect(device.address, depth=16) as accel,
        Engine(accel, notify=notify) as engine,
        Scheduler() as sched,
    ):
        results = sched.map(engine.sha256, blobs)
    assert list(results) == [hashlib.sha256(blob).digest() for blob in blobs]
    assert device.stat()["by_op"]["sha256"] == 200


def call(accel: RemoteAccelerator, op: str, payload: bytes, session: object = None, aux: bytes = b"") -> Request:
    done = threading.Event()
    request = Request(op, payload, aux, session, lambda _: done.set())  # type: ignore[arg-type]
    accel.prepare(request)
    assert accel.submit(request)
    assert done.wait(WAIT_S)
    return request


def test_another_thread_may_take_the_completions_just_before_the_reader_locks(device: DeviceProcess) -> None:
    """As one does that masks the interrupt and polls. The reader finds none left, and reads on."""

    class PolledFirst:
        """The reader gets the lock when somebody has reaped."""

        def __enter__(self) -> None:
            lock.acquire()
            reaper.lock = lock
            reaper.reap()
            reaper.lock = self  # type: ignore[assignment]

        def __exit__(self, *error: object) -> None:
            lock.release()

    with connect(device.address) as accel:
        reaper = accel._connection.reaper
        lock = reaper.lock
        reaper.lock = PolledFirst()  # type: ignore[assignment]
        for text in (b"abc", b"def"):
            assert call(accel, "sha256", text).result == hashlib.sha256(text).digest()
        reaper.lock = lock


def test_sessions_hold_keys(device: DeviceProcess) -> None:
    signer = rsa_key()
    curve = ec.generate_private_key(ec.SECP256R1())
    with RemoteAccelerator(device.address) as accel:
        signature = call(accel, "rsa-sign", b"message", accel.session("rsa-sign", signer)).result
        assert signature is not None
        signer.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())
        signature = call(accel, "ecdsa-sign", b"message", accel.session("ecdsa-sign", curve, hash="sha384")).result
        assert signature is not None
        curve.public_key().verify(signature, b"message", ec.ECDSA(hashes.SHA384()))
        assert device.stat()["clients"][0]["pid"] == os.getpid()


def test_keys_may_come_encrypted(device: DeviceProcess) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    with RemoteAccelerator(device.address) as accel:
        signature = call(accel, "ecdsa-sign", b"message", accel.session("ecdsa-sign", pem, password=b"secret")).result
        assert signature is not None
        curve.public_key().verify(signature, b"message", ec.ECDSA(hashes.SHA256()))
        raw = X25519PrivateKey.generate()
        peer = raw.public_key().public_bytes_raw()
        assert call(accel, "x25519", peer, accel.session("x25519", raw.private_bytes_raw())).result == raw.exchange(
            raw.public_key()
        )


def test_mistakes_are_the_callers(device: DeviceProcess) -> None:
    with RemoteAccelerator(device.address, slot_bytes=1024) as accel:
        with pytest.raises(UsageError, match="no kernel 'sha255'"):
            accel.prepare(Request("sha255", b""))
        with pytest.raises(UsageError, match="larger slot_bytes"):
            accel.prepare(Request("sha256", bytes(1024)))
        with pytest.raises(UsageError, match="needs a key"):
            accel.prepare(Request("rsa-sign", b""))
        with pytest.raises(UsageError, match="can't be loaded"):
            accel.session("rsa-sign", b"no key")
        with pytest.raises(UsageError, match="register it in the process"):
            accel.register("own", bytes)
        request = Request("sha256", b"")
        accel.prepare(request)
    with pytest.raises(ClosedError, match="closed"):
        accel.submit(request)


def test_a_failure_on_the_device_is_an_error_of_the_request(device: DeviceProcess) -> None:
    key = rsa_key()
    with RemoteAccelerator(device.address) as accel:
        request = call(accel, "rsa-decrypt", bytes(256), accel.session("rsa-decrypt", key))
    assert isinstance(request.error, RequestFailed)


def test_no_device() -> None:
    with pytest.raises(NoDeviceError, match="simaccel serve"):
        RemoteAccelerator(fresh_address())


def test_when_the_device_dies_what_is_in_flight_fails() -> None:
    device = DeviceProcess(None, "1")
    try:
        accel = RemoteAccelerator(device.address)
        key = rsa_key(4096)
        session = accel.session("rsa-sign", key)
        failed = threading.Semaphore(0)
        requests = [Request("rsa-sign", b"x", b"", session, lambda _: failed.release()) for _ in range(200)]  # type: ignore[arg-type]
        for request in requests:
            accel.prepare(request)
            assert accel.submit(request)
    finally:
        device.kill()
    for _ in requests:
        assert failed.acquire(timeout=WAIT_S)
    assert any(isinstance(request.error, NoDeviceError) for request in requests)
    assert all((request.result is None) != (request.error is None) for request in requests)
    with pytest.raises(ClosedError, match="went away"):
        accel.submit(requests[0])
    accel.close()
