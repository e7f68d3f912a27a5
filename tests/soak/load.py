"""One round of mixed load, all of it drawn from a seed: modes, jobs of every kind, failures, deadlines, cancels.

Every operation's end is accounted for: a result is compared with software, and any other end must be one that the
round asked for.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from engine import (
    ClosedError,
    DeadlineError,
    Engine,
    Job,
    JobCancelled,
    OperationError,
    Retry,
    RingFullError,
    Scheduler,
    block_pauses,
    pause_job,
)
from engine.modes import CONTRACTS, NOTIFY
from sim import Accelerator, Coalescing, VirtualClock
from tests.keys import rsa_key

EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa_key()
SECRET = bytes(range(32))
RETRIES = (
    Retry(),
    Retry(limit=3),
    Retry(wake="at_once"),
    Retry(wake="at_once", limit=5),
    Retry(wake="at_once", backoff_ns=1_000),
)
LATENCIES = (None, "fixed:5us", "uniform:1us,20us", "lognormal:5us,0.5")


class Round:
    """One accelerator, one engine, and some hundred jobs on it."""

    def __init__(self, seed: int) -> None:
        self.random = draw = random.Random(seed)
        self.virtual = draw.random() < 0.5
        self.accel = Accelerator(
            depth=draw.choice((1, 4, 16, 256)),
            units=draw.choice((1, 4)),
            latency=draw.choice(LATENCIES),
            seed=seed,
            clock=VirtualClock() if self.virtual else None,
            coalescing=Coalescing(draw.choice((1, 1, 4)), 20_000),
            assist=seed % 3 > 0,
        )
        self.accel.register("fails", _fails)
        self.engine = Engine(
            self.accel,
            draw.choice(NOTIFY),
            draw.choice(CONTRACTS),
            draw.choice(RETRIES),
        )
        self.sessions = {
            "hmac": self.engine.session("hmac", SECRET),
            "aes": self.engine.session("aes-gcm-encrypt", SECRET),
            "ec": self.engine.session("ecdsa-sign", EC_KEY),
            "rsa": self.engine.session("rsa-sign", RSA_KEY),
        }
        self.ends: Counter[str] = Counter()
        """How the operations ended, by kind."""

    def run(self, jobs: int) -> Counter[str]:
        """All of it; how its operations ended."""
        with self.accel, self.engine, Scheduler() as scheduler:
            spawned = [self._spawn(scheduler) for _ in range(jobs)]
            scheduler.run()
            for job in spawned:
                job.result()
            asyncio.run(self._in_loop(jobs // 4))
            for _ in range(jobs // 8):
                self._checked(self._sha256)
            for _ in range(8):  # left in flight, or waiting for a slot: the end of the scheduler cancels them
                scheduler.spawn(self._cancelled)
            scheduler.spawn(pause_job)
            scheduler._start_new()
        statistics = self.accel.statistics()
        ended = statistics.completed + statistics.failed + statistics.orphaned
        assert statistics.submitted == ended, statistics
        assert (statistics.in_flight, statistics.spurious, statistics.handler_errors) == (0, 0, 0), statistics
        counted = self.engine.statistics
        assert counted.operations == self.ends.total(), (counted, self.ends)
        assert (self.engine.in_flight, self.ends["failed otherwise"]) == (0, 0)
        return self.ends

    def _spawn(self, scheduler: Scheduler) -> Job:
        kinds = (self._stackful, self._stackful, self._awaiting, self._awaiting, self._blocked, self._hurried)
        return scheduler.spawn(self.random.choice(kinds), self.random.randrange(1, 4))

    def _stackful(self, operations: int) -> None:
        for _ in range(operations):
            self._one()
            if self.random.random() < 0.2:
                pause_job()

    async def _awaiting(self, operations: int) -> None:
        for _ in range(operations):
            await self._awaited()
        await pause_job()

    async def _awaited(self) -> None:
        data = self._data()
        try:
            assert await self.engine.aio.sha256(data) == hashlib.sha256(data).digest()
            self.ends["ok"] += 1
        except RingFullError:
            self.ends["ring full"] += 1
        except asyncio.CancelledError:
            self.ends["cancelled"] += 1
            raise

    def _blocked(self, operations: int) -> None:
        with block_pauses():
            for _ in range(operations):
                self._checked(self._sha256)

    def _hurried(self, operations: int) -> None:
        for _ in range(operations):
            try:
                self.engine.call("sha256", self._data(), deadline_ns=self.random.choice((1, 3_000, 10**9)))
                self.ends["ok"] += 1
            except DeadlineError:
                self.ends["late"] += 1
            except RingFullError:
                self.ends["ring full"] += 1

    def _cancelled(self) -> None:
        try:
            self.engine.sha256(self._data())
            self.ends["ok"] += 1
        except (JobCancelled, ClosedError):
            self.ends["cancelled"] += 1
            raise
        except RingFullError:
            self.ends["ring full"] += 1

    async def _in_loop(self, tasks: int) -> None:
        running = [asyncio.ensure_future(self._awaited()) for _ in range(tasks)]
        running += [asyncio.ensure_future(self.engine.aio.run(self._stackful, 2)) for _ in range(tasks)]
        await asyncio.sleep(0)
        for task in running[: tasks // 4]:
            task.cancel()
        for outcome in await asyncio.gather(*running, return_exceptions=True):
            assert outcome is None or isinstance(outcome, asyncio.CancelledError), outcome

    def _one(self) -> None:
        """An operation of any kind, checked against software."""
        kind = self.random.choice(("sha256", "sha256", "hmac", "aes", "ec", "rsa", "fails", "unknown"))
        if kind == "fails":
            self._failing()
        elif kind == "unknown":
            with suppress(LookupError):  # refused before it was an operation
                self.engine.call("unknown", b"")
        else:
            self._checked(getattr(self, f"_{kind}"))

    def _failing(self) -> None:
        try:
            self.engine.call("fails", b"")
        except RingFullError:
            self.ends["ring full"] += 1
        except OperationError as error:
            self.ends["failed" if isinstance(error.__cause__, ZeroDivisionError) else "failed otherwise"] += 1

    def _checked(self, call: Callable[[bytes], None]) -> None:
        try:
            call(self._data())
            self.ends["ok"] += 1
        except RingFullError:
            self.ends["ring full"] += 1

    def _sha256(self, data: bytes) -> None:
        assert self.engine.sha256(data) == hashlib.sha256(data).digest()

    def _hmac(self, data: bytes) -> None:
        assert self.engine.hmac(self.sessions["hmac"], data) == hmac.digest(SECRET, data, "sha256")

    def _aes(self, data: bytes) -> None:
        sealed = self.engine.aes_gcm_encrypt(self.sessions["aes"], bytes(12), data, b"aad")
        assert sealed == AESGCM(SECRET).encrypt(bytes(12), data, b"aad")

    def _ec(self, data: bytes) -> None:
        signature = self.engine.ecdsa_sign(self.sessions["ec"], data)
        EC_KEY.public_key().verify(signature, data, ec.ECDSA(hashes.SHA256()))

    def _rsa(self, data: bytes) -> None:
        signature = self.engine.rsa_sign(self.sessions["rsa"], data)
        RSA_KEY.public_key().verify(signature, data, padding.PKCS1v15(), hashes.SHA256())

    def _data(self) -> bytes:
        return self.random.randbytes(self.random.choice((0, 1, 100, 5_000)))


def _fails(payload: bytes) -> bytes:
    raise ZeroDivisionError("as it was told to")
