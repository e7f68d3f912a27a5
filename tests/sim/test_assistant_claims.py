"""Assistance: several threads want to step the device. Nothing is forgotten, whoever does it and however it ends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sim import Accelerator, ClosedError, Coalescing, Request, UsageError
from tests.sim.assisted import assisted, learn
from tests.sim.sim_requests import Completions, Gate


def in_thread(fn: Callable[[], Any]) -> threading.Thread:
    thread = threading.Thread(target=fn)
    thread.start()
    return thread


def thread_in_a_kernel(accel: Accelerator, completions: Completions) -> tuple[Gate, threading.Thread]:
    """A thread that assists, and is in the kernel of the request `first` until the gate is opened."""
    assert accel.assistant is not None
    gate = Gate(accel)
    gate.open()
    learn(accel, completions, "gate")
    gate.entered.acquire()
    assert accel.assistant.submit(completions.request("gate", b"first"))
    thread = in_thread(accel.assistant.poll)
    gate.entered.acquire()
    return gate, thread


def until_another_claims(accel: Accelerator) -> None:
    """Wait until somebody else, such as the worker, wants to step the device too."""
    worker = accel._worker
    assert worker is not None
    while len(worker.claims) < 2:
        os.sched_yield()


# Nothing is forgotten


@pytest.mark.parametrize("way", ["hand_over", "notify_once"])
def test_what_is_handed_over_is_done_by_the_worker(way: str) -> None:
    with assisted() as (accel, assistant, completions, _clock):
        assert assistant.submit(completions.request())
        if way == "hand_over":
            assistant.hand_over()
        else:
            assistant.notify_once(lambda: None)
        completions.wait()
        assert accel.statistics().assisted == 0


def test_a_plain_submit_wakes_the_worker_for_everything() -> None:
    with assisted() as (_accel, assistant, completions, _clock):
        assert assistant.submit(completions.request())
        completions.submit()
        completions.wait(2)


def test_a_ring_that_waits_for_its_threads_is_emptied_for_others() -> None:
    with assisted(depth=2) as (accel, assistant, completions, _clock):
        for _ in range(2):
            assert assistant.submit(completions.request())
        assert not accel.submit(completions.request())
        completions.wait(2)
        completions.submit()
        completions.wait()


def test_an_interrupt_that_is_not_due_yet_is_left_to_the_worker() -> None:
    with Accelerator(assist=True, coalescing=Coalescing(4, 1_000_000)) as accel:
        completions = Completions(accel)
        assert accel.assistant is not None
        for _ in range(3):
            assert accel.assistant.submit(completions.request())
            accel.assistant.poll()
            completions.wait()


def test_a_thread_that_finds_another_one_at_it_waits_for_its_completion() -> None:
    with assisted() as (accel, assistant, completions, _clock):
        gate, first = thread_in_a_kernel(accel, completions)
        assert assistant.submit(completions.request("echo", b"second"))
        assert assistant.poll() == 0
        gate.open()
        completions.wait(2)
        first.join()
        assert completions.payloads == [b"first", b"second"]
        assert accel._worker is not None
        assert accel._worker.claims == []


def test_the_worker_waits_for_its_turn() -> None:
    with assisted() as (accel, _assistant, completions, _clock):
        gate, first = thread_in_a_kernel(accel, completions)
        completions.submit("echo", b"second")  # it wakes the worker
        until_another_claims(accel)
        gate.open()
        completions.wait(2)
        first.join()
        assert completions.payloads == [b"first", b"second"]


def test_an_engine_that_polls_gets_its_completions_in_its_poll() -> None:
    freed: list[int] = []
    with assisted() as (accel, assistant, completions, _clock):
        accel.attach(freed.append, polled=True)
        for number in range(3):
            assert assistant.submit_for_others(completions.request("echo", bytes([number])))
        assert completions.done == []
        assert accel.poll(2) == 2
        assert accel.poll() == 1
        assert completions.payloads == [b"\0", b"\1", b"\2"]
        assert (accel.statistics().assisted, sum(freed)) == (3, 3)
        accel.detach(freed.append)


def test_who_asked_to_be_notified_is() -> None:
    freed: list[int] = []
    with assisted() as (accel, assistant, completions, _clock):
        accel.attach(freed.append, polled=True)
        for order in ("asks first", "submits first"):
            notified = threading.Event()
            if order == "asks first":
                accel.notify_once(notified.set)
            assert assistant.submit_for_others(completions.request())
            if order == "submits first":
                accel.notify_once(notified.set)
            notified.wait()
            assert accel.poll() == 1
        accel.detach(freed.append)


# In the middle of it


def test_a_completion_may_submit_the_next_request() -> None:
    with assisted() as (accel, assistant, completions, _clock):
        again = completions.request("echo", b"again")

        def then(request: Request) -> None:
            assert assistant.submit(again)
            assert assistant.poll() == 0  # the poll that handed this out goes on

        first = Request("echo", b"first", on_complete=then)
        accel.prepare(first)
        assert assistant.submit(first)
        assert assistant.poll() == 2
        assert again.result == b"again"


@pytest.mark.parametrize("what", ["wait", "close"])
def test_a_completion_must_not_wait_for_the_device(what: str) -> None:
    with assisted() as (accel, assistant, _completions, _clock):
        raised: list[UsageError] = []

        def then(request: Request) -> None:
            with pytest.raises(UsageError) as caught:
                accel.close() if what == "close" else assistant.notify_once(lambda: None)
            raised.append(caught.value)

        request = Request("echo", b"", on_complete=then)
        accel.prepare(request)
        assert assistant.submit(request)
        assert assistant.poll() == 1
        assert "wait" in str(raised[0])


def test_close_waits_for_who_assists_and_drains_the_rest() -> None:
    with assisted() as (accel, assistant, completions, _clock):
        gate, first = thread_in_a_kernel(accel, completions)
        assert assistant.submit(completions.request("echo", b"second"))
        closer = in_thread(accel.close)
        until_another_claims(accel)
        gate.open()
        closer.join()
        first.join()
        assert completions.payloads == [b"first", b"second"]
        assert [request.error for request in completions.done] == [None, None]
        with pytest.raises(ClosedError):
            assistant.submit(completions.request())
        assert assistant.poll() == 0
        assistant.hand_over()


def test_a_close_that_does_not_drain_fails_what_nobody_polled_for() -> None:
    with assisted() as (accel, assistant, completions, _clock):
        request = completions.request()
        assert assistant.submit(request)
        accel.close(drain=False)
        assert isinstance(request.error, ClosedError) or request.result == b""


def test_a_ctrl_c_in_a_completion_comes_out_when_all_are_told() -> None:
    with assisted() as (accel, assistant, _completions, _clock):
        told: list[bytes] = []

        def then(request: Request) -> None:
            told.append(request.payload)
            if request.payload == b"a":
                raise KeyboardInterrupt

        for payload in (b"a", b"b", b"c"):
            request = Request("echo", payload, on_complete=then)
            accel.prepare(request)
            assert assistant.submit(request)
        with pytest.raises(KeyboardInterrupt):
            assistant.poll()
        assert told == [b"a", b"b", b"c"]
        assert accel._device.reaper.own_thread is False
