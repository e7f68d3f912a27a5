"""An engine where an event loop runs: which one that is, and that a call that keeps its thread warns."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import anyio
import pytest
import trio

from engine import BlocksLoopWarning, Engine, UsageError, block_pauses, start_job
from sim import Accelerator, VirtualClock


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Accelerator(clock=VirtualClock()) as accel, Engine(accel) as made:
        yield made


def digests(engine: Engine, count: int) -> list[bytes]:
    return [engine.sha256(b"%d" % number) for number in range(count)]


def test_a_call_that_blocks_an_asyncio_loop_warns_once_a_call_site(engine: Engine) -> None:
    async def main() -> None:
        digests(engine, 3)
        engine.call("echo", b"x")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        asyncio.run(main())
    assert [warning.category for warning in caught] == [BlocksLoopWarning] * 2
    assert {warning.filename for warning in caught} == {__file__}
    first, second = (str(warning.message) for warning in caught)
    assert "engine.sha256(...) keeps the thread of a running asyncio loop" in first
    assert "`await engine.aio.sha256(...)`" in first
    assert "`await engine.aio.call('echo', ...)`" in second


def test_a_warning_made_an_error_comes_before_anything_is_begun(engine: Engine) -> None:
    async def main() -> None:
        with pytest.raises(BlocksLoopWarning):
            engine.sha256(b"x")

    asyncio.run(main())
    assert engine.statistics.operations == 0
    assert engine.in_flight == 0
    assert engine.sha256(b"x") == hashlib.sha256(b"x").digest()


def test_what_blocks_no_loop_does_not_warn(engine: Engine) -> None:
    """In a thread of its own, as a job on the loop, and in a job that chose to block its pauses."""

    def chosen() -> bytes:
        with block_pauses():
            return engine.sha256(b"0")

    async def main() -> list[bytes]:
        return [
            await asyncio.to_thread(engine.sha256, b"0"),
            await engine.aio.run(engine.sha256, b"0"),
            await engine.aio.run(chosen),
            await engine.aio.sha256(b"0"),
        ]

    assert asyncio.run(main()) == [hashlib.sha256(b"0").digest()] * 4
    assert start_job(chosen).result() == hashlib.sha256(b"0").digest()


def test_a_call_that_blocks_trio_warns_too(engine: Engine) -> None:
    async def main() -> None:
        with pytest.warns(BlocksLoopWarning, match=r"a running trio loop.*`await engine\.aio\.call\('echo', \.\.\.\)`"):
            engine.call("echo", b"x")
        with pytest.warns(BlocksLoopWarning, match=r"`await engine\.aio\.sha256\(\.\.\.\)`"):
            engine.sha256(b"x")

    trio.run(main)
    with pytest.raises(UsageError, match=r"call engine\.sha256\(\.\.\.\) itself elsewhere"):
        engine.aio.sha256(b"x").send(None)
    assert engine.sha256(b"x") == hashlib.sha256(b"x").digest()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_same_program_in_anyio_runs_on_both(engine: Engine, backend: str) -> None:
    results: list[bytes] = []

    async def digest(number: int) -> None:
        results.append(await engine.aio.sha256(b"%d" % number))

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for number in range(5):
                group.start_soon(digest, number)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await engine.aio.sha256(b"never")
        assert scope.cancelled_caught
        results.append(await engine.aio.run(engine.sha256, b"5"))

    anyio.run(main, backend=backend)
    assert sorted(results) == sorted(hashlib.sha256(b"%d" % number).digest() for number in range(6))
    assert engine.in_flight == 0


def test_trio_as_a_guest_of_asyncio(engine: Engine) -> None:
    """Both run in one thread. The task that awaits decides."""

    async def guest() -> bytes:
        job: bytes = await engine.aio.run(engine.sha256, b"job")
        return await engine.aio.sha256(b"guest") + job

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
        )
        assert await engine.aio.sha256(b"host") == hashlib.sha256(b"host").digest()
        assert (await ended).unwrap() == hashlib.sha256(b"guest").digest() + hashlib.sha256(b"job").digest()

    asyncio.run(main())


def test_importing_the_engine_does_not_import_trio() -> None:
    program = "import sys, engine, engine.aio; assert not {'trio', 'anyio', 'sniffio'} & set(sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
