"""An engine where an event loop runs: a call that keeps its thread warns; what needs asyncio names trio's own way."""

from __future__ import annotations

import asyncio
import hashlib
import warnings
from collections.abc import Iterator

import pytest

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


def test_trio_is_named_where_asyncio_is_needed(engine: Engine) -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        with pytest.raises(UsageError, match=r"this is trio: write `await trio\.to_thread\.run_sync\(engine\.sha256"):
            await engine.aio.sha256(b"x")
        with pytest.raises(UsageError, match="this is trio"):
            await engine.aio.run(engine.sha256, b"x")
        with pytest.warns(
            BlocksLoopWarning, match=r"`await trio\.to_thread\.run_sync\(engine\.call, 'echo', \.\.\.\)`"
        ):
            engine.call("echo", b"x")
        with pytest.warns(BlocksLoopWarning, match=r"`await trio\.to_thread\.run_sync\(engine\.sha256, \.\.\.\)`"):
            engine.sha256(b"x")

    trio.run(main)
    with pytest.raises(UsageError, match=r"call engine\.sha256\(\.\.\.\) itself elsewhere"):
        engine.aio.sha256(b"x").send(None)
    assert engine.sha256(b"x") == hashlib.sha256(b"x").digest()


def test_a_job_is_awaited_in_trio_by_its_wait_fd() -> None:
    trio = pytest.importorskip("trio")

    async def digest(engine: Engine, data: bytes) -> bytes:
        job = start_job(engine.sha256, data)
        while job.paused:
            assert job.wait_ctx is not None
            await trio.lowlevel.wait_readable(job.wait_ctx.all_fds()[0])
            job.resume()
        result: bytes = job.result()
        return result

    async def main() -> bytes:
        with Accelerator() as accel, Engine(accel) as engine:
            return await digest(engine, b"0")

    assert trio.run(main) == hashlib.sha256(b"0").digest()
