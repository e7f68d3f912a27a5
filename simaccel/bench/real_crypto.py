"""Real crypto: offloaded, compared with inline, and how much of the driving thread's time is free meanwhile."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

from engine import Engine, Scheduler
from simaccel.bench.interleaved_rounds import Samples, interleave, ratio
from simaccel.bench.rig import Rig

_TURN_NS = 250_000_000
_JOBS = 16
_KEY, _NONCE = bytes(32), bytes(12)


@dataclass(frozen=True, slots=True)
class Offload:
    """The results for one operation, both ways."""

    what: str
    offloaded: Samples
    """Operations/s."""
    inline: Samples
    """Operations/s, called directly on the driving thread."""
    gain: Samples
    """offloaded / inline. Below 1, the way to the device and back costs more than it gains."""
    free: Samples
    """The part of its time in which the driving thread had nothing to do while offloading, from 0 to 1. Inline it is
    0."""


@dataclass(frozen=True, slots=True)
class _Work:
    what: str
    inline: Callable[[], object]
    op: str
    key: Any
    payload: bytes
    aux: bytes = b""


def _works() -> list[_Work]:
    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    mldsa_key = mldsa.MLDSA65PrivateKey.generate()
    ec_key = ec.generate_private_key(ec.SECP256R1())
    gcm = AESGCM(_KEY)
    message, small, large = b"m" * 64, bytes(16 << 10), bytes(1 << 20)
    padding, signer, algorithm = PKCS1v15(), ec.ECDSA(SHA256()), SHA256()
    return [
        _Work("RSA-2048 sign", lambda: rsa_key.sign(message, padding, algorithm), "rsa-sign", rsa_key, message),
        _Work("ECDSA P-256 sign", lambda: ec_key.sign(message, signer), "ecdsa-sign", ec_key, message),
        _Work("ML-DSA-65 sign", lambda: mldsa_key.sign(message), "ml-dsa-65-sign", mldsa_key, message),
        _Work("AES-256-GCM 16 KiB", lambda: gcm.encrypt(_NONCE, small, None), "aes-gcm-encrypt", _KEY, small, _NONCE),
        _Work("AES-256-GCM 1 MiB", lambda: gcm.encrypt(_NONCE, large, None), "aes-gcm-encrypt", _KEY, large, _NONCE),
        _Work("SHA-256 1 MiB", lambda: hashlib.sha256(large).digest(), "sha256", None, large),
    ]


def measure(rig: Rig, rounds: int) -> list[Offload]:
    """The results for all operations."""
    return [_measure(rig, work, rounds) for work in _works()]


def _measure(rig: Rig, work: _Work, rounds: int) -> Offload:
    free: list[float] = []

    def inline() -> float:
        count, before_ns = 0, perf_counter_ns()
        until_ns = before_ns + _TURN_NS
        while perf_counter_ns() < until_ns:
            work.inline()
            count += 1
        return count * 1e9 / (perf_counter_ns() - before_ns)

    def offloaded() -> float:
        rate, share = _offloaded(rig, work)
        free.append(share)
        return rate

    rates = interleave({"offloaded": offloaded, "inline": inline}, rounds)
    return Offload(
        work.what,
        rates["offloaded"],
        rates["inline"],
        ratio(rates["offloaded"], rates["inline"]),
        Samples(tuple(free[1:])),  # the first is of the turn that does not count
    )


def _offloaded(rig: Rig, work: _Work) -> tuple[float, float]:
    """Operations/s, and the share of the driving thread that was free."""
    with ExitStack() as stack:
        accel = stack.enter_context(rig.accelerator(depth=64))
        engine = stack.enter_context(Engine(accel, notify="callback"))
        scheduler = stack.enter_context(Scheduler())
        session = None if work.key is None else engine.session(work.op, work.key)
        before_ns, thread_before_ns = perf_counter_ns(), time.thread_time_ns()
        until_ns = before_ns + _TURN_NS
        count = 0

        async def ask() -> None:
            nonlocal count
            call = engine.aio.call
            while perf_counter_ns() < until_ns:
                await call(work.op, work.payload, aux=work.aux, session=session)
                count += 1

        for _ in range(_JOBS):
            scheduler.spawn(ask)
        scheduler.run()
        took_ns, thread_ns = perf_counter_ns() - before_ns, time.thread_time_ns() - thread_before_ns
        return count * 1e9 / took_ns, max(0.0, 1 - thread_ns / took_ns)
