"""The cases of liburing's test folder about ends: leaks, tear-downs with work in flight, exits and forks."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from functools import partial

import pytest

from engine import ClosedError as EngineClosedError
from engine import Engine, Job, OperationError, start_job
from sim import Accelerator, ClosedError, VirtualClock
from tests.sim.sim_requests import Completions, Gate, readable
from waitctx import WaitCtx


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def of_other(other: Accelerator, payload: bytes) -> bytes:
    """A kernel of one ring that refers to another."""
    return bytes(other.depth)


def test_ring_leak() -> None:
    """Rings that refer to each other are collected, threads and all; and a thousand leave nothing behind."""
    threads = threading.active_count()
    rings = [Accelerator(8), Accelerator(8)]
    gone = [weakref.ref(ring) for ring in rings]
    for ring, other in zip(rings, reversed(rings), strict=True):
        ring.register("other", partial(of_other, other))
    for ring in rings:
        ring.close()
    del ring, other
    rings.clear()
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
    for _ in range(200):
        with Accelerator(1) as accel:
            Completions(accel).submit()
    assert threading.active_count() == threads


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="counts the fds of /proc")
def test_ring_leak2() -> None:
    """No fd is left of engines and contexts, whichever goes first and whatever is in flight."""
    before = len(os.listdir("/proc/self/fd"))
    for order in range(3):
        accel = Accelerator(8, latency="fixed:3600s")
        engine, ctx = Engine(accel), WaitCtx()
        jobs = [start_job(engine.call, "null", wait_ctx=ctx) for _ in range(3)]
        assert len(os.listdir("/proc/self/fd")) == before + 1
        ends: list[Callable[[], object]] = [engine.close, ctx.close, partial(accel.close, drain=False)]
        for end in ends[order:] + ends[:order]:
            end()
        for job in jobs:
            job.cancel()
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("stage", ["quiet", "announced", "working", "complete", "polled for"])
def test_teardowns(stage: str) -> None:
    """Closed at each stage that a request can be in: it completes once, and close comes back."""
    accel = Accelerator(8)
    gate, completions = Gate(accel), Completions(accel)
    polled = stage in ("complete", "polled for")
    if polled:
        accel.attach(lambda slots: None, polled=True)
    request = completions.request("gate" if stage in ("announced", "working") else "null")
    if stage == "announced":
        completions.submit("gate")
        gate.entered.acquire()
    accel.enqueue(request)
    if stage != "quiet":
        accel.doorbell()
    if stage == "working":
        gate.entered.acquire()
    if polled:
        something = threading.Event()
        accel.notify_once(something.set)
        something.wait()
    if stage == "polled for":
        assert accel.poll() == 1
    gate.open(2)
    accel.close()
    assert completions.done.count(request) == 1
    assert isinstance(request.error, ClosedError) is (stage == "quiet")
    assert accel.in_flight == 0


@pytest.mark.parametrize("first", ["engine", "accelerator"])
def test_teardowns_with_jobs_that_wait(first: str, clock: VirtualClock) -> None:
    """Each job that waits, on the ring or for a place on it, is woken and told."""
    accel = Accelerator(2, latency="fixed:3600s", clock=clock)
    engine = Engine(accel)
    contexts = [WaitCtx() for _ in range(5)]
    jobs: list[Job] = [start_job(engine.call, "null", wait_ctx=ctx) for ctx in contexts]
    ends: dict[str, Callable[[], object]] = {"engine": engine.close, "accelerator": partial(accel.close, drain=False)}
    ends.pop(first)()
    for job, ctx in zip(jobs, contexts, strict=True):
        resumes = 0
        while job.paused:
            assert readable(*ctx.all_fds())
            job.resume()
            resumes += 1
        assert resumes
        with pytest.raises((EngineClosedError, OperationError, ClosedError)):
            job.result()
    for end in ends.values():
        end()
    for ctx in contexts:
        ctx.close()


def test_teardowns_in_many_threads() -> None:
    """Made and closed all at once, with work in flight."""
    done: list[int] = []

    def client(drain: bool) -> None:
        for _ in range(30):
            accel = Accelerator(8, latency="fixed:5us")
            completions = Completions(accel)
            completions.fill()
            accel.close(drain=drain)
            done.append(len(completions.done))

    threads = [threading.Thread(target=client, args=(drain,)) for drain in (True, False, True, False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [8] * 120


EXIT_NO_CLEANUP = """
import threading
from engine import Engine, start_job
from sim import Accelerator

accel = Accelerator(4, latency="fixed:1us")
engine = Engine(accel)
jobs = []

def client():
    for _ in range(100):
        engine.sha256(b"one")
    jobs.append(start_job(engine.sha256, b"left in flight"))

threads = [threading.Thread(target=client) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("the end")
"""


def test_exit_no_cleanup() -> None:
    """A program that ends with everything still open ends."""
    child = subprocess.run([sys.executable, "-c", EXIT_NO_CLEANUP], capture_output=True, text=True, check=False)
    assert (child.stdout, child.returncode) == ("the end\n", 0)


ACROSS_FORK = """
import os
from engine import ClosedError, Engine, start_job
from sim import Accelerator
from waitctx import WaitCtx

accel = Accelerator(4, latency="fixed:2ms")
engine, ctx = Engine(accel), WaitCtx()
job = start_job(engine.call, "echo", b"the parent's", wait_ctx=ctx)
pid = os.fork()
if pid == 0:
    try:
        engine.sha256(b"")
    except ClosedError as error:
        print(error)
    with Accelerator() as new, Engine(new) as working:
        print(working.call("echo", b"the child's"), flush=True)
    os._exit(7)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
while job.paused:
    job.resume()
print(status, job.result())
engine.close()
accel.close()
ctx.close()
"""


def test_across_fork() -> None:
    """The child is refused by what it inherited and works with what it makes; the parent notices nothing."""
    # From Python 3.12 on it warns of a fork with threads, which is what is tested.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", ACROSS_FORK]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.stderr == ""
    lines = child.stdout.splitlines()
    assert "belongs to the parent process" in lines[0]
    assert lines[1:] == ['b"the child\'s"', '7 b"the parent\'s"']
