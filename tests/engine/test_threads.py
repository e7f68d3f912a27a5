"""One engine from several threads, each with a scheduler of its own; and long kernels that leave the GIL to others."""

from __future__ import annotations

import hashlib
import select
import sys
import threading
from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine import Engine, Retry, Scheduler, start_job
from engine.modes import NOTIFY
from sim import Accelerator
from tests.effort import pairs
from tests.engine.ways import BLOBS, DIGESTS
from tests.keys import rsa_key
from waitctx import WaitCtx

THREADS = 4


RETRIES = [Retry(), Retry(wake="at_once"), Retry(wake="at_once", backoff_ns=1_000)]


@pytest.mark.parametrize(("notify", "retry"), pairs(NOTIFY, RETRIES))
def test_threads_with_a_scheduler_each_share_an_engine(notify: str, retry: Retry) -> None:
    """More jobs than slots; stackful, stackless and blocked callers; every result its own."""
    results: dict[int, list[bytes]] = {}

    def work(number: int) -> None:
        async def awaited(blob: bytes) -> bytes:
            return await engine.aio.sha256(blob)

        with Scheduler() as scheduler:
            found = scheduler.map(engine.sha256, BLOBS)
            found += scheduler.map(awaited, BLOBS)
        results[number] = found + [engine.sha256(blob) for blob in BLOBS[:20]]

    with Accelerator(depth=8) as accel, Engine(accel, notify, retry=retry) as engine:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert engine.in_flight == 0
    expected = DIGESTS * 2 + DIGESTS[:20]
    assert results == dict.fromkeys(range(THREADS), expected)
    statistics = accel.statistics()
    assert statistics.completed == statistics.submitted == THREADS * len(expected)
    assert (statistics.handler_errors, statistics.spurious, statistics.orphaned) == (0, 0, 0)


@pytest.fixture
def no_forced_switches() -> Iterator[None]:
    """Threads take turns only where one of them lets the GIL go by itself."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    yield
    sys.setswitchinterval(before)


def pbkdf2(payload: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", payload, b"salt", 20_000)


RSA_KEY = rsa_key()
EC_KEY = ec.generate_private_key(ec.SECP384R1())
BIG = bytes(1 << 20)
LONG_KERNELS: dict[str, tuple[object, bytes, bytes]] = {
    "rsa-sign": (RSA_KEY, b"message", b""),
    "rsa-sign-pss": (RSA_KEY, b"message", b""),
    "ecdsa-sign": (EC_KEY, b"message", b""),
    "sha256": (None, BIG, b""),
    "sha512": (None, BIG, b""),
    "aes-gcm-encrypt": (bytes(32), BIG, bytes(12)),
    "chacha20-poly1305-encrypt": (bytes(32), BIG, bytes(12)),
    "aes-gcm-decrypt": (bytes(32), AESGCM(bytes(32)).encrypt(bytes(12), BIG, None), bytes(12)),
}
TRIES = 2_000
PATIENT_TRIES = 100_000
"""However busy the machine is, at some time the other thread gets a core."""


def _drive(kernel: Callable[[], object], tries: int = PATIENT_TRIES) -> tuple[int, int]:
    """Run a kernel on the device while this thread counts; the count before and behind the kernel's work.

    The kernel works until the count has moved, or it has tried often enough.
    """
    counts = [0]
    seen: list[int] = []
    entered = threading.Event()

    def probe(payload: bytes) -> bytes:
        entered.set()
        before = counts[0]
        for _ in range(tries):
            kernel()
            if counts[0] > before:
                break
        seen.extend((before, counts[0]))
        return payload

    with Accelerator() as accel, Engine(accel) as engine, WaitCtx() as ctx:
        accel.register("probe", probe)
        job = start_job(engine.call, "probe", wait_ctx=ctx)
        entered.wait()
        (fd,) = ctx.all_fds()
        while not select.select([fd], [], [], 0)[0]:  # lets the GIL go, and takes it again
            counts[0] += 1
        job.resume()
        assert job.done
    before, behind = seen
    return before, behind


@pytest.mark.parametrize("op", LONG_KERNELS)
@pytest.mark.usefixtures("no_forced_switches")
def test_a_long_kernel_leaves_the_gil_to_the_driving_thread(op: str) -> None:
    """The driving thread's own count moves within the kernel: nobody else moves it, and no switch is forced."""
    key, payload, aux = LONG_KERNELS[op]
    with Accelerator() as accel:
        kernel = accel.kernels.get(op)
        loaded = None if key is None else accel.session(op, key).key
    before, behind = _drive(lambda: kernel.run(payload, aux, loaded))
    assert behind > before


@pytest.mark.usefixtures("no_forced_switches")
def test_a_kernel_that_keeps_the_gil_is_found_out() -> None:
    """The same without letting the GIL go: the driving thread stands still. So the test above can fail."""
    before, behind = _drive(lambda: sum(range(1_000)), TRIES)
    assert behind == before


@pytest.mark.usefixtures("no_forced_switches")
def test_a_kernel_of_the_users_own_may_do_the_same() -> None:
    before, behind = _drive(lambda: pbkdf2(b"password"))
    assert behind > before
