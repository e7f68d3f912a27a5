"""Real work through every combination of notify, contract, clock, latency and retry, by every door."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest

from engine import Engine, Retry, Scheduler
from engine.modes import CONTRACTS, NOTIFY
from sim import Accelerator, VirtualClock
from tests import effort
from tests.engine.ways import BLOBS, DIGESTS
from tests.loops import LOOPS, Loop

RETRIES = {
    "space": Retry(),
    "at_once": Retry(wake="at_once"),
    "backoff": Retry(wake="at_once", backoff_ns=1_000),
}


@pytest.fixture(params=["instant", "20us"])
def latency(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "instant" else "fixed:20us"


@pytest.fixture(params=["real", "virtual"])
def clock(request: pytest.FixtureRequest) -> VirtualClock | None:
    return None if request.param == "real" else VirtualClock()


WAYS = [
    (notify, contract, retry)
    for row, notify in enumerate(NOTIFY)
    for column, contract in enumerate(CONTRACTS)
    for number, retry in enumerate(RETRIES)
    if effort.CI or (row + column + number) % 3 == 0
]
"""All ways in CI. In `make test` a third of them, in which each two of the three still meet in every way."""


@pytest.fixture(params=WAYS, ids="-".join)
def way(request: pytest.FixtureRequest) -> tuple[str, str, str]:
    notify, contract, retry = request.param
    return notify, contract, retry


@pytest.fixture
def accel(clock: VirtualClock | None, latency: str | None) -> Iterator[Accelerator]:
    with Accelerator(depth=16, clock=clock, latency=latency, units=4, seed=3) as accel:
        yield accel


@pytest.fixture
def engine(accel: Accelerator, way: tuple[str, str, str]) -> Iterator[Engine]:
    notify, contract, retry = way
    with Engine(accel, notify, contract, RETRIES[retry]) as engine:
        yield engine


def test_every_door_gives_the_same_right_results(accel: Accelerator, engine: Engine) -> None:
    """More jobs than slots, so that the ring is full all the time."""

    async def awaited(blob: bytes) -> bytes:
        return await engine.aio.sha256(blob)

    async def in_loop(loop: Loop) -> None:
        assert await loop.gather(*(engine.aio.sha256(blob) for blob in BLOBS[:25])) == DIGESTS[:25]
        assert await loop.gather(*(engine.aio.run(engine.sha256, blob) for blob in BLOBS[:10])) == DIGESTS[:10]
        assert await loop.gather(*(engine.aio.run(awaited, blob) for blob in BLOBS[:10])) == DIGESTS[:10]

    with Scheduler() as scheduler:
        assert scheduler.map(engine.sha256, BLOBS) == DIGESTS
        assert scheduler.map(awaited, BLOBS) == DIGESTS
    assert engine.sha256(BLOBS[7]) == DIGESTS[7]
    for loop in LOOPS:
        loop.run(partial(in_loop, loop))

    done = 2 * len(BLOBS) + 1 + len(LOOPS) * (25 + 10 + 10)
    counted = engine.statistics
    assert (counted.operations, counted.failed) == (done, 0)
    assert counted.pauses >= counted.operations
    assert counted.wakes + counted.spurious_wakes <= counted.pauses
    statistics = accel.statistics()
    assert statistics.completed == statistics.submitted == done
    assert (statistics.failed, statistics.orphaned, statistics.spurious, engine.in_flight) == (0, 0, 0, 0)
    assert statistics.high_water <= 16


def test_a_job_of_many_operations_keeps_their_order(engine: Engine) -> None:
    """Each operation of a job takes the result of the one before."""

    def chain(blob: bytes) -> bytes:
        for _ in range(5):
            blob = engine.sha256(blob)
        return blob

    async def awaited(blob: bytes) -> bytes:
        for _ in range(5):
            blob = await engine.aio.sha256(blob)
        return blob

    with Scheduler() as scheduler:
        assert scheduler.map(chain, BLOBS[:40]) == scheduler.map(awaited, BLOBS[:40])
