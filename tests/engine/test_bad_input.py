"""What bad input gets: one clear error that names the value and the cure, and nothing lost.

The error comes before anything is submitted; the engine, the job and the ring go on as if the call had not been.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

import sim
from engine import Engine, OperationError, Scheduler, UsageError, block_pauses, pause_job, start_job
from engine.modes import NOTIFY
from sim import Accelerator, VirtualClock
from tests.engine.ways import BLOBS, DIGESTS
from tests.keys import rsa_key
from waitctx import WaitCtx


@pytest.fixture(params=NOTIFY)
def engine(request: pytest.FixtureRequest) -> Any:
    with (
        Accelerator(clock=VirtualClock(), depth=4, max_payload_bytes=1_000) as accel,
        Engine(accel, request.param) as engine,
    ):
        yield engine


RSA_KEY = rsa_key()
BAD_CALLS: list[tuple[Callable[[Engine], object], str]] = [
    (lambda engine: engine.call("sha265", b""), "no kernel 'sha265': did you mean 'sha256'"),
    (lambda engine: engine.call(None, b""), "no kernel None: the kernels are"),  # type: ignore[arg-type]
    (lambda engine: engine.sha256("text"), "a payload of type str: encode it first"),
    (lambda engine: engine.sha256(5), "a payload of type int: give bytes"),
    (lambda engine: engine.sha256(None), "a payload of type NoneType: give bytes"),
    (lambda engine: engine.sha256([b"x"]), "a payload of type list: give bytes"),
    (lambda engine: engine.sha256(bytes(1_001)), "a payload of 1,001 bytes: the device takes at most 1,000; split it"),
    (lambda engine: engine.call("sha256", b"", aux=b"x"), "aux of 1 bytes: this kernel takes none"),
    (lambda engine: engine.call("rsa-sign", b"x"), "kernel 'rsa-sign' needs a key: open a session"),
    (lambda engine: engine.rsa_sign(_ec_session(engine), b"x"), "can't run kernel 'rsa-sign': open a session for"),
    (lambda engine: engine.rsa_sign("my key", b"x"), "session of type str: give what `session"),
    (lambda engine: engine.call("sha256", b"", session=_ec_session(engine)), "kernel 'sha256' takes no key"),
    (lambda engine: engine.session("ecdsa-sign", RSA_KEY), "ecdsa-sign"),
    (lambda engine: engine.session("ecdsa-sign", b"no key at all"), "can't be loaded"),
    (lambda engine: engine.session("sha256", b"key"), "kernel 'sha256' takes no key"),
    (lambda engine: engine.aes_gcm_encrypt(_aes_session(engine), b"short", b""), "the nonce must be 12 bytes, not 5"),
    (lambda engine: engine.aes_gcm_encrypt(_aes_session(engine), 7, b""), "the nonce must be 12 bytes, not 7"),  # type: ignore[arg-type]
    (
        lambda engine: engine.x25519(engine.session("x25519", bytes(range(32))), b"short"),
        "of 5 bytes: x25519 takes 32 raw",
    ),
]


def _ec_session(engine: Engine) -> Any:
    return engine.session("ecdsa-sign", ec.generate_private_key(ec.SECP256R1()))


def _aes_session(engine: Engine) -> Any:
    return engine.session("aes-gcm-encrypt", bytes(32))


@pytest.mark.parametrize(("call", "message"), BAD_CALLS, ids=[message for _, message in BAD_CALLS])
def test_bad_calls(engine: Engine, call: Callable[[Engine], object], message: str) -> None:
    """In a job, blocked in a job, and outside: the same error, and the next call works."""

    def job() -> bytes:
        with pytest.raises((UsageError, sim.UsageError), match=message):
            call(engine)
        pause_job()  # nothing is in flight: whoever drives the job must not wait for it
        with block_pauses(), pytest.raises((UsageError, sim.UsageError), match=message):
            call(engine)
        return engine.sha256(BLOBS[1])

    with Scheduler() as scheduler:
        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == DIGESTS[1]
    with pytest.raises((UsageError, sim.UsageError), match=message):
        call(engine)
    assert engine.in_flight == 0
    assert engine.statistics.operations == 1
    assert engine.accel.statistics().submitted == 1  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"notify": "smoke"}, "notify='smoke': use one of fd, pipe, callback, poll, heuristic"),
        ({"notify": None}, "notify=None: use one of"),
        ({"contract": "loose"}, "contract='loose': use one of qat, strict, dasync"),
        ({"retry": 3}, "retry=3: use a Retry"),
        ({"deadline_ns": 0}, "deadline_ns=0: use a whole number of ns above 0"),
    ],
)
def test_engines_that_can_not_be(arguments: dict[str, Any], message: str) -> None:
    with Accelerator() as accel:
        with pytest.raises(UsageError, match=message):
            Engine(accel, **arguments)
        with Engine(accel) as engine:  # nothing of the other is left behind
            assert engine.sha256(BLOBS[3]) == DIGESTS[3]


@pytest.mark.parametrize("value", [-1, 1.5, "all", None])
def test_a_quota_that_can_not_be(value: Any) -> None:
    message = f"quota={value!r}: use a whole number, 0 for all"
    with Accelerator() as accel, Engine(accel, "poll") as engine, pytest.raises(UsageError, match=message):
        engine.poll(value)


def test_a_payload_that_its_owner_changes_while_it_is_in_flight(engine: Engine) -> None:
    """It was copied at the submit - also while the operation waits for a slot - so the result is that of the call."""
    payloads = [bytearray(b"before %d" % number) for number in range(8)]

    def change() -> None:
        for payload in payloads:
            payload[:] = b"after"

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(engine.call, "echo", payload) for payload in payloads]
        scheduler.spawn(change)
        scheduler.run()
        assert [job.result() for job in jobs] == [b"before %d" % number for number in range(8)]


@pytest.mark.parametrize("kind", [bytearray, memoryview, lambda data: memoryview(data).cast("B")[::1]])
def test_anything_like_bytes_will_do(engine: Engine, kind: Callable[[bytes], Any]) -> None:
    assert engine.sha256(kind(BLOBS[9])) == DIGESTS[9]


def test_a_kernel_that_raises_fails_its_operation_with_the_reason(engine: Engine) -> None:
    reason = ZeroDivisionError("the kernel's own")

    def kernel(payload: bytes) -> bytes:
        raise reason

    engine.accel.register("bad", kernel)  # type: ignore[attr-defined]
    engine.accel.register("text", lambda payload: "no bytes")  # type: ignore[attr-defined]

    def job() -> bytes:
        with pytest.raises(OperationError, match="the device failed bad: the kernel's own") as caught:
            engine.call("bad")
        assert caught.value.__cause__ is reason
        pause_job()
        with pytest.raises(OperationError, match="kernel 'text' returned str: a kernel returns bytes"):
            engine.call("text")
        pause_job()
        pause_job()
        return engine.sha256(BLOBS[5])

    async def awaited() -> bytes:
        with pytest.raises(OperationError, match="the kernel's own") as caught:
            await engine.aio.call("bad")
        assert caught.value.__cause__ is reason
        await pause_job()
        return await engine.aio.sha256(BLOBS[5])

    async def in_loop() -> bytes:
        with pytest.raises(OperationError, match="the kernel's own"):
            await engine.aio.call("bad")
        return await engine.aio.sha256(BLOBS[5])

    with Scheduler() as scheduler:
        jobs = [scheduler.spawn(job), scheduler.spawn(awaited)]
        scheduler.run()
        assert [each.result() for each in jobs] == [DIGESTS[5]] * 2
    assert asyncio.run(in_loop()) == DIGESTS[5]
    with pytest.raises(OperationError, match="the kernel's own"):
        engine.call("bad")
    assert engine.statistics.failed == 5
    assert engine.accel.statistics().failed == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize("virtual", [False, True])
def test_a_callback_that_raises_is_reported_and_the_device_lives_on(
    virtual: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[Any] = []
    told = threading.Event()

    def hook(args: Any) -> None:
        reported.append(args.exc_value)
        told.set()

    monkeypatch.setattr(threading, "excepthook", hook)
    with Accelerator(clock=VirtualClock() if virtual else None) as accel, Engine(accel, "callback") as engine:
        with WaitCtx() as ctx:

            def bad(_: object) -> None:
                raise ZeroDivisionError("the callback's own")

            ctx.set_callback(bad)
            job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
            if virtual:
                accel.clock.jump()  # type: ignore[union-attr]
            told.wait()
            assert [str(error) for error in reported] == ["the callback's own"]
            assert engine.sha256(BLOBS[2]) == DIGESTS[2]
            job.resume()  # the operation is complete all the same
            assert job.result() == b"x"
        assert accel.statistics().handler_errors == 1


def test_a_callback_that_blocks_holds_up_the_device_and_is_seen_in_its_statistics() -> None:
    release, entered = threading.Event(), threading.Event()

    def slow(_: object) -> None:
        entered.set()
        release.wait()

    with Accelerator() as accel, Engine(accel, "callback") as engine, WaitCtx() as ctx:
        ctx.set_callback(slow)
        job = start_job(engine.call, "echo", b"x", wait_ctx=ctx)
        entered.wait()
        job.resume()  # complete: only the device waits for the callback
        assert job.result() == b"x"
        release.set()
        assert engine.sha256(BLOBS[4]) == DIGESTS[4]
        assert accel.statistics().longest_interrupt_ns > 0


def test_a_call_without_await_in_an_async_job_is_refused() -> None:
    with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:

        async def job() -> bytes:
            with pytest.raises(UsageError, match=r"would keep the thread .* write `await engine.aio.sha256\(...\)`"):
                engine.sha256(b"")
            with pytest.raises(UsageError, match=r"`await engine.aio.aes_gcm_encrypt\(...\)`"):
                engine.call("aes-gcm-encrypt")
            return await engine.aio.sha256(BLOBS[6])

        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == DIGESTS[6]


def test_an_awaitable_that_is_never_awaited_holds_nobody_up() -> None:
    """It has submitted nothing, and whoever drives the job does not wait for it."""
    with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:

        async def job() -> bytes:
            forgotten = engine.aio.sha256(b"")
            await pause_job()
            forgotten.close()
            later, sooner = engine.aio.sha256(BLOBS[7]), engine.aio.sha256(BLOBS[8])
            assert await sooner == DIGESTS[8]
            return await later

        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == DIGESTS[7]
        assert accel.statistics().submitted == 2
    gc.collect()


def test_awaiting_outside_of_a_job_and_of_a_loop_says_where_to() -> None:
    with Accelerator() as accel, Engine(accel) as engine:
        call = engine.aio.sha256(b"")
        with pytest.raises(
            UsageError,
            match="neither asyncio nor trio runs in this thread",
        ):
            call.send(None)


def test_a_foreign_awaitable_in_a_stackless_job_is_refused_where_it_stands() -> None:
    with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:

        async def job() -> bytes:
            with pytest.raises(UsageError, match="is not a pause: await only pause_job"):
                await asyncio.sleep(0)
            return await engine.aio.sha256(BLOBS[6])

        running = scheduler.spawn(job)
        scheduler.run()
        assert running.result() == DIGESTS[6]
