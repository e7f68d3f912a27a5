"""Row: RSA-2048 signatures on the device, while the driving thread is busy with Python code of its own.

A device thread of this process needs the GIL for some us after each signature. A thread that runs Python code gives it
up only after the switch interval of 5 ms. So here the device is a process of its own. The figures with a device thread
are in the notes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from time import perf_counter_ns
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from engine import Engine, Scheduler, pause_job
from simaccel.bench.figure import Row, RowResult, at_least
from simaccel.bench.interleaved_rounds import Samples, interleave, ratio
from simaccel.bench.rig import Rig

_TURN_NS = 400_000_000
_IN_FLIGHT = 64
"""Enough operations in flight that the device has something to do until the busy driving thread looks again."""
_MESSAGE = b"m" * 64


def python_chunk() -> int:
    """Some 100 us of plain Python."""
    total = 0
    for n in range(2_000):
        total += n & 3
    return total


async def _own_work(until_ns: int, paces: list[float]) -> None:
    """The driving thread's own work, in pieces, so that the other jobs run in between."""
    chunks, before_ns = 0, perf_counter_ns()
    while perf_counter_ns() < until_ns:
        python_chunk()
        chunks += 1
        await pause_job()
    paces.append(chunks / (perf_counter_ns() - before_ns))


def _rsa(rig: Rig, rounds: int) -> RowResult:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    padding, algorithm = PKCS1v15(), SHA256()

    def free_core() -> float:
        count, until_ns = 0, perf_counter_ns() + _TURN_NS
        before_ns = perf_counter_ns()
        while perf_counter_ns() < until_ns:
            key.sign(_MESSAGE, padding, algorithm)
            count += 1
        return count / (perf_counter_ns() - before_ns)

    def own_pace() -> float:
        paces: list[float] = []
        with Scheduler() as scheduler:
            scheduler.spawn(_own_work, perf_counter_ns() + _TURN_NS, paces)
            scheduler.run()
        return paces[0]

    def offloaded(accelerator: Callable[..., Any], beside: list[float]) -> float:
        """Signatures per ns. The pace of the driving thread meanwhile is added to `beside`."""
        with ExitStack() as stack:
            accel = stack.enter_context(accelerator(depth=_IN_FLIGHT))
            engine = stack.enter_context(Engine(accel, notify="callback"))
            scheduler = stack.enter_context(Scheduler())
            session = engine.session("rsa-sign", key)
            until_ns = perf_counter_ns() + _TURN_NS
            signed = 0

            async def sign() -> None:
                nonlocal signed
                while perf_counter_ns() < until_ns:
                    await engine.aio.rsa_sign(session, _MESSAGE)
                    # A signature after the end is not counted: it had the core to itself.
                    signed += perf_counter_ns() < until_ns

            before_ns = perf_counter_ns()
            for _ in range(_IN_FLIGHT):
                scheduler.spawn(sign)
            scheduler.spawn(_own_work, until_ns, beside)
            scheduler.run()
            return signed / (until_ns - before_ns)

    in_process: list[float] = []
    in_thread: list[float] = []
    with rig.device_process() as connect:
        rates = interleave(
            {
                "process": partial(offloaded, connect, in_process),
                "thread": partial(offloaded, rig.accelerator, in_thread),
                "a free core": free_core,
                "own pace": own_pace,
            },
            rounds,
        )

    def shares(name: str, beside: list[float]) -> tuple[Samples, Samples]:
        """The rate as a share of a free core, and the driving thread's pace as a share of its own. The first value of
        `beside` belongs to the turn that does not count."""
        return ratio(rates[name], rates["a free core"]), ratio(Samples(tuple(beside[1:])), rates["own pace"])

    device, driver = shares("process", in_process)
    figures = [
        at_least("device, a process: of a free core", device, 0.85),
        at_least("driving thread: of its own pace", driver, 0.95),
    ]
    device, driver = shares("thread", in_thread)
    notes = [f"signatures/s: {rates[name].median * 1e9:,.0f} {name}" for name in ("process", "thread", "a free core")]
    notes.append(f"the device as a thread: {device.median:.2f} of a free core, driving thread {driver.median:.2f}")
    return RowResult(figures, notes=notes)


ROWS = (Row("rsa-offload", "RSA-2048 sign offloaded, driving thread busy with Python of its own", "D", _rsa),)
