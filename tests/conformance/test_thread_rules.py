"""What belongs to a thread: its pool, its current job, its block counter. Each test runs on both sides."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from engine import openssl as simaccel_door
from tests.conformance.conftest import oracle_or_skip
from tests.conformance.rules import agrees
from tests.conformance.shorthand import FINISHED, NO_JOBS, PAUSED
from tests.oracle.libcrypto import Libcrypto, load
from waitctx import WaitCtx


class SimaccelJobs:
    """Jobs on our side whose function is one call of the C door, named."""

    def __init__(self) -> None:
        self.calls: Any = simaccel_door
        self.ctx = WaitCtx()

    def run(self, function: str, handle: Any = None) -> tuple[int, Any]:
        """Start such a job, or resume the one given: status and handle."""

        def body(_: bytes | None) -> int:
            getattr(simaccel_door, function)()
            return 0

        return simaccel_door.ASYNC_start_job(handle, self.ctx, body, None)[:2]


class LibcryptoJobs:
    """The same on libcrypto: the job's function is the C function itself, so no Python runs on the fibre."""

    def __init__(self, libcrypto: Libcrypto) -> None:
        self.calls: Any = libcrypto.lib
        self.libcrypto = libcrypto
        self.ctx: int = self.calls.ASYNC_WAIT_CTX_new()

    def run(self, function: str, handle: Any = None) -> tuple[int, Any]:
        """Start such a job, or resume the one given: status and handle."""
        job, ret = ctypes.c_void_p(handle), ctypes.c_int()
        address = self.libcrypto.address(function)
        status = self.calls.ASYNC_start_job(ctypes.byref(job), self.ctx, ctypes.byref(ret), address, None, 0)
        return status, job.value


Jobs = SimaccelJobs | LibcryptoJobs


@pytest.fixture(params=["simaccel", "libcrypto"])
def jobs(request: pytest.FixtureRequest) -> Iterator[Jobs]:
    """Each side in turn."""
    side = SimaccelJobs() if request.param == "simaccel" else LibcryptoJobs(oracle_or_skip(load))
    yield side
    side.calls.ASYNC_cleanup_thread()


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Call something on one other thread, always the same, and return what it returned."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield lambda function, *args: pool.submit(function, *args).result()


@agrees("ASYNC_init_thread", "limits the pool of the calling thread only")
def test_pool_of_the_thread(jobs: Jobs, elsewhere: Callable[..., Any]) -> None:
    assert jobs.calls.ASYNC_init_thread(1, 0) == 1
    status, handle = jobs.run("ASYNC_pause_job", None)
    assert status == PAUSED
    assert jobs.run("ASYNC_pause_job", None)[0] == NO_JOBS
    there = [elsewhere(jobs.run, "ASYNC_pause_job", None) for _ in range(2)]
    assert [status for status, _ in there] == [PAUSED, PAUSED]
    assert [elsewhere(jobs.run, "ASYNC_pause_job", job)[0] for _, job in there] == [FINISHED, FINISHED]
    elsewhere(jobs.calls.ASYNC_cleanup_thread)
    assert jobs.run("ASYNC_pause_job", handle)[0] == FINISHED


@agrees("ASYNC_block_pause", "blocks the jobs of the calling thread only")
def test_block_counter_of_the_thread(jobs: Jobs, elsewhere: Callable[..., Any]) -> None:
    assert jobs.run("ASYNC_block_pause", None)[0] == FINISHED
    assert jobs.run("ASYNC_pause_job", None)[0] == FINISHED
    status, handle = elsewhere(jobs.run, "ASYNC_pause_job", None)
    assert status == PAUSED
    assert elsewhere(jobs.run, "ASYNC_pause_job", handle)[0] == FINISHED
    elsewhere(jobs.calls.ASYNC_cleanup_thread)


@agrees("ASYNC_cleanup_thread", "leaves the jobs of other threads alone")
def test_cleanup_of_the_thread(jobs: Jobs, elsewhere: Callable[..., Any]) -> None:
    status, handle = elsewhere(jobs.run, "ASYNC_pause_job", None)
    assert status == PAUSED
    jobs.calls.ASYNC_cleanup_thread()
    assert elsewhere(jobs.run, "ASYNC_pause_job", handle)[0] == FINISHED
    elsewhere(jobs.calls.ASYNC_cleanup_thread)
