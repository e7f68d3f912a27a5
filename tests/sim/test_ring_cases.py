"""The cases of liburing's test folder that make sense for a ring with an interrupt fd, each named after its file there.

io_uring is the best tested ring there is. What its tests found once, a ring of one's own should be asked as well. The
fd is that of an engine here: the device itself has none.
"""

from __future__ import annotations

import os
import random
import threading

import pytest

from engine import Engine, start_job
from sim import Accelerator, Coalescing, Request, UsageError, VirtualClock
from tests.sim.sim_requests import Completions, readable
from waitctx import WaitCtx


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def only_fd(ctx: WaitCtx) -> int:
    (fd,) = ctx.all_fds()
    return fd


# Submission


@pytest.mark.parametrize("depth", [1 << bits for bits in range(13)])
def test_nop_all_sizes(depth: int, clock: VirtualClock) -> None:
    """Each size of ring, filled and emptied twice and a half."""
    with Accelerator(depth, clock=clock) as accel:
        completions = Completions(accel)
        for count in (depth, depth, (depth + 1) // 2):
            for _ in range(count):
                completions.submit("null")
            clock.advance(0)
            assert accel.free_slots == depth
        assert len(completions.done) == 2 * depth + (depth + 1) // 2


def test_sq_full(clock: VirtualClock) -> None:
    """No slot is given out twice, and none is lost by asking for one in vain."""
    with Accelerator(8, latency="fixed:1us", clock=clock) as accel:
        completions = Completions(accel)
        completions.fill()
        for _ in range(100):
            assert accel.submit(completions.request()) is False
        for freed in range(1, 9):
            clock.advance(1_000)
            assert accel.free_slots == freed
        completions.fill()
        assert accel.submit(completions.request()) is False
    assert len(completions.done) == 16


def test_drop_submit(clock: VirtualClock) -> None:
    """A bad request among good ones is dropped alone."""
    with Accelerator(4, clock=clock) as accel:
        completions = Completions(accel)
        first = completions.submit(payload=b"first")
        with pytest.raises(UsageError):
            accel.prepare(Request("no-such-kernel", b""))
        second = completions.submit(payload=b"second")
        clock.advance(0)
        assert (first.result, second.result) == (b"first", b"second")
        assert accel.statistics().submitted == 2


def test_submit_reuse(clock: VirtualClock) -> None:
    """What was handed over may be used again at once: the buffer behind the submit, the request behind its end."""
    with Accelerator(2, clock=clock) as accel:
        completions = Completions(accel)
        buffer = bytearray(b"0")
        results = []
        request = completions.submit("echo", buffer)
        for value in range(1, 10):
            buffer[:] = b"%d" % value
            clock.advance(0)
            results.append(request.result)
            request.payload = bytes(buffer)
            accel.prepare(request)
            assert accel.submit(request)
        assert results == [b"%d" % value for value in range(9)]


def test_self(clock: VirtualClock) -> None:
    """A ring driven from inside its own completions, many times around."""
    with Accelerator(1, clock=clock) as accel:
        rounds: list[int] = []

        def again(request: Request) -> None:
            rounds.append(len(rounds))
            if len(rounds) < 1_000:
                accel.prepare(request)
                assert accel.submit(request)

        request = Request("null", b"", on_complete=again)
        accel.prepare(request)
        accel.submit(request)
        clock.advance(0)
        assert len(rounds) == 1_000


# Completion


def test_cq_size(clock: VirtualClock) -> None:
    """The completion ring holds as many as the submission ring has slots."""
    with Accelerator(16, clock=clock) as accel:
        accel.attach(lambda slots: None, polled=True)
        Completions(accel).fill()
        clock.advance(0)
        assert accel.poll() == 16


@pytest.mark.parametrize("coalescing", [Coalescing(), Coalescing(1_000, 10**12)])
def test_cq_overflow(coalescing: Coalescing, clock: VirtualClock) -> None:
    """However long nobody reaps, completions neither overflow nor get lost: the submitter is told that it is full."""
    with Accelerator(8, clock=clock, coalescing=coalescing) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        refused = 0
        for _ in range(50):
            refused += not accel.submit(completions.request())
            clock.advance(1_000)
        assert refused == 42
        assert accel.poll() == 8
        assert accel.free_slots == 8


def test_cq_full(clock: VirtualClock) -> None:
    """Reaped one at a time, each makes room for just one more."""
    with Accelerator(4, clock=clock) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        completions.fill()
        for _ in range(20):
            clock.advance(0)
            assert accel.submit(completions.request()) is False
            assert accel.poll(1) == 1
            completions.submit()
        clock.advance(0)
        assert accel.poll() == 4


def test_cq_peek_batch(clock: VirtualClock) -> None:
    """Batches of any size, over the end of the ring too, in the order of completion."""
    with Accelerator(8, latency="fixed:1ns", clock=clock) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        sent: list[bytes] = []
        for count in (3, 5, 8, 2, 7, 1, 6):
            for _ in range(count):
                sent.append(len(sent).to_bytes(1, "big"))
                completions.submit(payload=sent[-1])
            clock.advance(100)
            assert accel.poll(count - 1) == (count - 1 or 1)
            accel.poll()
            assert accel.poll() == 0
        assert completions.payloads == sent


# The interrupt's fd


def test_eventfd(clock: VirtualClock) -> None:
    """Readable from the completion on, not before, and not behind the resume; one fd for all of a context's life."""
    with Accelerator(8, latency="fixed:1us", clock=clock) as accel, Engine(accel) as engine, WaitCtx() as ctx:
        seen = set()
        for _ in range(5):
            job = start_job(engine.call, "echo", b"one", wait_ctx=ctx)
            fd = only_fd(ctx)
            seen.add(fd)
            clock.advance(999)
            assert readable(fd) == []
            clock.advance(1)
            assert readable(fd) == [fd]
            job.resume()
            assert job.result() == b"one"
            assert readable(fd) == []
        assert len(seen) == 1


def test_eventfd_disable(clock: VirtualClock) -> None:
    """With the interrupt off nothing becomes readable until somebody polls; on again, what was left is told of."""
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)

        def space(slots: int) -> None:
            """Stands for an engine that polls."""

        accel.attach(space, polled=True)
        completions.submit(payload=b"polled")
        clock.advance(1_000)
        assert completions.payloads == []
        accel.poll()
        assert completions.payloads == [b"polled"]
        completions.submit(payload=b"left over")
        clock.advance(1_000)
        accel.detach(space)
        clock.advance(1_000)
        assert completions.payloads == [b"polled", b"left over"]
        assert accel.free_slots == 8
        with Engine(accel) as engine, WaitCtx() as ctx:
            job = start_job(engine.call, "echo", b"by fd", wait_ctx=ctx)
            clock.advance(1_000)
            assert readable(only_fd(ctx)) == [only_fd(ctx)]
            job.resume()
            assert job.result() == b"by fd"


def test_eventfd_disable_on_a_worker() -> None:
    """The same with a thread, which must be woken for what was left over."""
    with Accelerator(8) as accel:
        completions = Completions(accel)

        def space(slots: int) -> None:
            """Stands for an engine that polls."""

        accel.attach(space, polled=True)
        something = threading.Event()
        accel.notify_once(something.set)
        completions.submit()
        something.wait()
        accel.detach(space)
        completions.wait()


def test_eventfd_reg(clock: VirtualClock) -> None:
    """An engine after the other on one device and one context: each has its own fd, and gets what is its own."""
    with Accelerator(8, latency="fixed:1us", clock=clock) as accel, WaitCtx() as ctx:
        for count in range(1, 4):
            with Engine(accel) as engine:
                job = start_job(engine.call, "echo", b"one", wait_ctx=ctx)
                assert len(ctx.all_fds()) == count
                clock.advance(1_000)
                assert readable(*ctx.all_fds()) == [ctx.all_fds()[0]]
                job.resume()
                assert job.result() == b"one"


def test_eventfd_ring(clock: VirtualClock) -> None:
    """Two rings, one waiter: two fds, each readable for its own ring alone."""
    with (
        Accelerator(8, latency="fixed:1us", clock=clock) as fast,
        Accelerator(8, latency="fixed:3us", clock=clock) as slow,
        Engine(fast) as first,
        Engine(slow) as second,
        WaitCtx() as ctx,
    ):
        jobs = [start_job(engine.call, "null", wait_ctx=ctx) for engine in (first, second)]
        slow_fd, fast_fd = ctx.all_fds()
        clock.advance(1_000)
        assert readable(slow_fd, fast_fd) == [fast_fd]
        clock.advance(2_000)
        assert readable(slow_fd, fast_fd) == sorted([slow_fd, fast_fd])
        for job in jobs:
            job.resume()
            assert job.done


# Cancel


@pytest.mark.usefixtures("frequent_switches")
@pytest.mark.parametrize("notify", ["fd", "callback"])
def test_cancel_race(notify: str) -> None:
    """A cancel that meets its completion: delivered or orphaned, never both, never neither, and no token is left."""
    choice = random.Random(7)
    rounds = 400
    with Accelerator(4, latency="uniform:0us,30us") as accel, Engine(accel, notify) as engine, WaitCtx() as ctx:
        if notify == "callback":
            ctx.set_callback(lambda arg: None)
        delivered = 0
        for number in range(rounds):
            payload = number.to_bytes(2, "big")
            job = start_job(engine.call, "echo", payload, wait_ctx=ctx)
            for _ in range(choice.randrange(30)):
                job.resume()  # too early, perhaps; it must not take the next one's token for its own
                if job.done:
                    break
            if job.done:
                assert job.result() == payload
                delivered += 1
            else:
                job.cancel()
                assert job.done
            while accel.in_flight == accel.depth:
                os.sched_yield()
        assert engine.in_flight == 0
    statistics = accel.statistics()
    assert statistics.submitted == rounds
    assert statistics.completed + statistics.orphaned == rounds
    assert statistics.completed >= delivered
    assert (statistics.spurious, statistics.handler_errors) == (0, 0)


def test_io_cancel(clock: VirtualClock) -> None:
    """The device goes on with what was cancelled: it keeps the slot to its end, and its completion is dropped."""
    with Accelerator(1, latency="fixed:1us", clock=clock) as accel, Engine(accel) as engine, WaitCtx() as ctx:
        job = start_job(engine.call, "echo", b"one", wait_ctx=ctx)
        assert job.cancel()
        assert accel.free_slots == 0
        clock.advance(1_000)
        assert accel.free_slots == 1
        assert readable(only_fd(ctx)) == []
        statistics = accel.statistics()
        assert (statistics.completed, statistics.orphaned) == (0, 1)
