"""ML-DSA and ML-KEM through an engine: its methods, every kind of caller, a fleet, and faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem

from engine import DeadlineError, Engine, OperationError, Scheduler
from sim import Accelerator, VirtualClock
from sim.kernels import Kernels
from sim.randomness import Randomness
from simaccel.cli.workload.software import MAKERS, Prepared, SoftwareOperation
from simaccel.fleet import Fleet

SIGNERS: dict[int, Any] = {
    44: mldsa.MLDSA44PrivateKey.generate(),
    65: mldsa.MLDSA65PrivateKey.generate(),
    87: mldsa.MLDSA87PrivateKey.generate(),
}
RECEIVERS: dict[int, Any] = {768: mlkem.MLKEM768PrivateKey.generate(), 1024: mlkem.MLKEM1024PrivateKey.generate()}
OPS = [name for name in Kernels().names() if name.startswith("ml-")]


def virtual() -> Accelerator:
    return Accelerator(latency="fixed:100us", clock=VirtualClock())


def prepared(op: str) -> tuple[SoftwareOperation, Prepared]:
    rng = Randomness(1).stream(op)
    kind = MAKERS[op](op, rng)
    return kind, kind.prepare(b"message", rng)


def use_every_method(engine: Engine) -> None:
    """Calls each method with a key of its size, and checks what it returns with the peer's key."""
    for size, signer in SIGNERS.items():
        session = engine.session(f"ml-dsa-{size}-sign", signer)
        signature = getattr(engine, f"ml_dsa_{size}_sign")(session, b"message", b"context")
        signer.public_key().verify(signature, b"message", b"context")
    for size, receiver in RECEIVERS.items():
        session = engine.session(f"ml-kem-{size}-decapsulate", receiver)
        sealed = getattr(engine, f"ml_kem_{size}_encapsulate")(receiver.public_key().public_bytes_raw())
        assert getattr(engine, f"ml_kem_{size}_decapsulate")(session, sealed[:-32]) == sealed[-32:]


def fleet() -> Fleet:
    clock = VirtualClock()
    return Fleet([Accelerator(latency="fixed:100us", clock=clock) for _ in range(2)])


@pytest.mark.parametrize("make", [virtual, fleet])
def test_methods_in_a_thread_and_in_a_job(make: Callable[[], Any]) -> None:
    with make() as accel, Engine(accel) as engine, Scheduler() as scheduler:
        use_every_method(engine)
        job = scheduler.spawn(use_every_method, engine)
        scheduler.run()
        job.result()
        statistics = accel.statistics()
        total = statistics.total if isinstance(accel, Fleet) else statistics
        assert total.completed == 2 * (len(SIGNERS) + 2 * len(RECEIVERS))


def test_methods_to_be_awaited() -> None:
    async def use(engine: Engine) -> None:
        for size, signer in SIGNERS.items():
            session = engine.session(f"ml-dsa-{size}-sign", signer)
            signer.public_key().verify(await getattr(engine.aio, f"ml_dsa_{size}_sign")(session, b"m"), b"m")
        for size, receiver in RECEIVERS.items():
            session = engine.session(f"ml-kem-{size}-decapsulate", receiver)
            sealed = await getattr(engine.aio, f"ml_kem_{size}_encapsulate")(receiver.public_key().public_bytes_raw())
            assert await getattr(engine.aio, f"ml_kem_{size}_decapsulate")(session, sealed[:-32]) == sealed[-32:]

    with virtual() as accel, Engine(accel) as engine:
        asyncio.run(use(engine))


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("fault", ["corrupt", "fail", "lose", "duplicate"])
def test_a_fault_is_noticed_and_leaves_the_next_operation_alone(op: str, fault: str) -> None:
    """`corrupt` is the one that the device does not report: only the check of the result finds it."""
    kind, request = prepared(op)
    with virtual() as accel, Engine(accel, deadline_ns=1_000_000) as engine:
        session = None if kind.key is None else engine.session(op, kind.key)

        def call() -> bytes:
            return engine.call(op, request.payload, aux=request.aux, session=session)

        with accel.faults.install(f"{fault}:nth=1"):
            if fault in ("fail", "lose"):
                with pytest.raises(OperationError if fault == "fail" else DeadlineError):
                    call()
            else:
                assert request.right(call()) is (fault == "duplicate")
        assert request.right(call())
        assert accel.statistics().faults == {fault: 1}
