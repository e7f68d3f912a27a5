"""The server's loop: it looks away while its workers are busy, survives bugs of ours, and may be stopped twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine import Engine, OperationError, Scheduler
from simaccel.bridge import Server, connect
from simaccel.bridge.device.executors import Executors
from simaccel.bridge.device.fair_queue import FairQueue
from simaccel.bridge.device.workers import WorkerThreads
from tests.bridge.device import fresh_address


@contextmanager
def serving() -> Iterator[str]:
    """The address of a device in a thread of this process."""
    with Server(fresh_address(), own_process=True) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            yield server.address
        finally:
            server.stop()
            thread.join()


@pytest.mark.parametrize("backlog_ns", [0, 10**9])
def test_a_device_with_busy_workers_need_not_be_rung_for(backlog_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it serves clients that come meanwhile."""
    monkeypatch.setattr(Executors, "backlog_ns", backlog_ns)
    with serving() as address, connect(address) as accel, Engine(accel) as engine, Scheduler() as scheduler:
        for number in range(20):
            job = scheduler.spawn(engine.call, "echo", b"%d" % number)
            scheduler.run()
            assert job.result() == b"%d" % number
        doorbells = accel.statistics().doorbells
        assert doorbells == 0 if backlog_ns else doorbells > 0


def test_the_backlog_is_what_waits_by_what_it_takes() -> None:
    workers = WorkerThreads(2)
    try:
        assert workers.backlog_ns == 0
        workers._queue = FairQueue()  # not the one that the threads take from
        workers._queue.add("one", [None] * 10)  # type: ignore[list-item]
        assert workers.backlog_ns == 0, "nobody knows yet what one takes"
        workers.threads[0].service_samples.extend([5, 300_000])
        assert workers.backlog_ns == 10 * 300_000 // 2
        workers.threads[1].service_samples.append(100_000)
        assert workers.backlog_ns == 10 * 100_000 // 2
    finally:
        workers.close()


def test_a_bug_of_ours_costs_one_client_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr("threading.excepthook", told.append)
    run = Executors.run

    def fail(self: Executors, client: Any, batch: Any) -> None:
        raise ZeroDivisionError("planted")

    with serving() as address, connect(address) as well, connect(address) as ill:
        with Engine(ill) as engine:
            monkeypatch.setattr(Executors, "run", fail)
            with pytest.raises(OperationError, match="the device went away"):
                engine.call("null")
            monkeypatch.setattr(Executors, "run", run)
        with Engine(well) as engine:
            assert engine.call("echo", b"on") == b"on"
    assert [type(report.exc_value) for report in told] == [ZeroDivisionError]


def test_stopping_may_come_again_and_after_the_end() -> None:
    """A second SIGTERM may find the device closed: its handler must not write to an fd that is somebody else's now."""
    server = Server(fresh_address())
    fd = server._wake
    assert fd is not None
    server.close()
    other = os.eventfd(0, os.EFD_NONBLOCK)
    reused = os.dup2(other, fd)
    try:
        server.stop()
        server.stop()
        with pytest.raises(BlockingIOError):
            os.eventfd_read(reused)
    finally:
        for opened in {other, reused}:
            os.close(opened)
