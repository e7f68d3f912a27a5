"""Assistance: waiting threads do short work of the device. What is done where."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sim import Accelerator, VirtualClock
from sim.assistant import ASSIST_NS, SHORT_BYTES, SPELL_NS
from tests.sim.assisted import Standing, assisted, learn
from tests.sim.sim_requests import Gate


def threads_of(accel: Accelerator, name: str, clock: Standing, took_ns: int) -> list[int]:
    """Register a kernel that takes this long. The list gets the thread of each of its runs."""
    threads: list[int] = []

    def kernel(payload: bytes) -> bytes:
        threads.append(threading.get_ident())
        clock.time_ns += took_ns
        return payload

    accel.register(name, kernel)
    return threads


ME = threading.get_ident


# What is done where


def test_short_work_is_done_by_who_waits_and_wakes_nobody() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads = threads_of(accel, "short", clock, ASSIST_NS - 1)
        learn(accel, completions, "short")
        rung = accel.statistics().doorbells
        requests = [completions.request("short", bytes([number])) for number in range(5)]
        for request in requests:
            assert assistant.submit(request)
        assert completions.done == []
        assert assistant.poll() == 5
        assert completions.done == requests
        assert [request.result for request in requests] == [bytes([number]) for number in range(5)]
        assert threads[0] != ME()
        assert threads[1:] == [ME()] * 5
        counted = accel.statistics()
        assert (counted.assisted, counted.doorbells) == (5, rung)
        assert counted.by_op["short"] == 6
        assert assistant.poll() == 0


def test_a_long_operation_is_for_the_worker_and_all_after_it() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads = threads_of(accel, "long", clock, ASSIST_NS)
        requests = [completions.request(op) for op in ("echo", "long", "echo", "long")]
        gate = Gate(accel)
        completions.submit("gate")  # so that the worker is busy when the long one is handed over to it
        gate.entered.acquire()
        for request in requests:
            assert assistant.submit(request)
        assert assistant.poll() == 0
        gate.open()
        completions.wait(5)
        assert completions.done[1:] == requests
        assert ME() not in threads
        assert accel.statistics().assisted == 0


def test_what_comes_before_a_long_operation_is_done_by_who_waits() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads = threads_of(accel, "long", clock, ASSIST_NS)
        requests = [completions.request(op) for op in ("echo", "echo", "long", "echo")]
        for request in requests:
            assert assistant._quiet.submit(request)  # as one that was short before, and is not any more
        assert assistant.poll() == 2
        completions.wait(4)
        assert completions.done == requests
        assert threads == [worker_of(accel)]


def worker_of(accel: Accelerator) -> int:
    worker = accel._worker
    assert worker is not None
    ident = worker._thread.ident
    assert ident is not None
    return ident


def test_a_larger_payload_is_first_tried_by_the_worker() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads = threads_of(accel, "short", clock, 0)
        for size_bytes in (8, 4, 8, 9, 9, SHORT_BYTES, SHORT_BYTES, SHORT_BYTES + 1, SHORT_BYTES + 1):
            assert assistant.submit(completions.request("short", bytes(size_bytes)))
            assistant.poll()
            completions.wait()
        worker, me = worker_of(accel), ME()
        assert threads == [worker, me, me, worker, me, worker, me, worker, worker]


def test_what_takes_long_once_is_tried_by_the_worker_before_it_is_short_again() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads: list[int] = []
        took_ns = [0, 0, ASSIST_NS, 0, 0]

        def kernel(payload: bytes) -> bytes:
            clock.time_ns += took_ns[len(threads)]
            threads.append(threading.get_ident())
            return payload

        accel.register("varies", kernel)
        for _ in took_ns:
            assert assistant.submit(completions.request("varies"))
            assistant.poll()
            completions.wait()
        worker, me = worker_of(accel), ME()
        assert threads == [worker, me, me, worker, me]


def test_a_kernel_that_replaces_another_one_is_unknown() -> None:
    with assisted() as (accel, assistant, completions, clock):
        threads_of(accel, "short", clock, 0)
        learn(accel, completions, "short")
        threads: list[int] = []

        def other(payload: bytes) -> bytes:
            threads.append(ME())
            return payload

        accel.register("short", other, replace=True)
        for _ in range(2):
            assert assistant.submit(completions.request("short"))
            assistant.poll()
            completions.wait()
        assert threads == [worker_of(accel), ME()]


def test_after_a_spell_the_rest_is_for_the_worker() -> None:
    with assisted(depth=512) as (accel, assistant, completions, clock):
        threads = threads_of(accel, "short", clock, ASSIST_NS - 1)
        learn(accel, completions, "short")
        requests = [completions.request("short") for _ in range(300)]
        for request in requests:
            assert assistant.submit(request)
        done = assistant.poll()
        assert SPELL_NS / ASSIST_NS <= done < 120
        completions.wait(300)
        assert completions.done == requests
        assert threads[1:] == [ME()] * done + [worker_of(accel)] * (300 - done)


def test_an_operation_that_fails_fails_for_its_owner_alone() -> None:
    with assisted() as (accel, assistant, completions, _clock):
        fails = [False]

        def kernel(payload: bytes) -> bytes:
            if fails[0]:
                raise SystemExit("of the kernel")
            return payload

        accel.register("fails", kernel)
        learn(accel, completions, "fails")
        fails[0] = True
        requests = [completions.request(op) for op in ("echo", "fails", "echo")]
        for request in requests:
            assert assistant.submit(request)
        assert assistant.poll() == 3
        assert [type(request.error) for request in requests] == [type(None), SystemExit, type(None)]
        assert accel.statistics().failed == 1


@pytest.mark.parametrize("error", [RecursionError, MemoryError, KeyboardInterrupt])
def test_what_may_have_come_of_this_thread_is_tried_by_the_worker(error: type[BaseException]) -> None:
    with assisted() as (accel, assistant, completions, _clock):
        threads: list[int] = []

        def kernel(payload: bytes) -> bytes:
            threads.append(threading.get_ident())
            if threads[-1] == me:
                raise error
            return payload

        me = ME()
        accel.register("here", kernel)
        learn(accel, completions, "here")
        requests = [completions.request(op, bytes([number])) for number, op in enumerate(("echo", "here", "echo"))]
        for request in requests:
            assert assistant.submit(request)
        if error is KeyboardInterrupt:
            with pytest.raises(KeyboardInterrupt):
                assistant.poll()
        else:
            assert assistant.poll() == 1
        completions.wait(3)
        assert completions.done == requests
        assert [request.result for request in requests] == [b"\0", b"\1", b"\2"]
        assert threads == [worker_of(accel), me, worker_of(accel)]
        assert accel.statistics().failed == 0


# Where there is nothing to assist with


@pytest.mark.parametrize(
    "options",
    [
        {"clock": VirtualClock()},
        {"latency": "fixed:1us"},
        {"faults": "fail:p=0"},
        {"assist": False},
    ],
    ids=["virtual", "model", "faults", "off"],
)
def test_there_is_no_assistant_where_there_is_nothing_to_assist_with(options: dict[str, Any]) -> None:
    with Accelerator(**{"assist": True, **options}) as accel:
        assert accel.assistant is None


def test_with_rules_that_are_installed_later_the_worker_does_everything() -> None:
    with assisted(seed=1) as (accel, assistant, completions, _clock):
        with accel.faults.install("fail:every=2"):
            for _ in range(4):
                assert assistant.submit(completions.request())
                assert assistant.poll() == 0
                completions.wait()
        assert assistant.submit(completions.request())
        completions.wait()
        counted = accel.statistics()
        assert (counted.assisted, counted.failed, counted.faults["fail"]) == (0, 2, 2)
