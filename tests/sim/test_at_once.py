"""Virtual time without a timing model: all that was submitted completes at one instant, without a schedule."""

from __future__ import annotations

from collections import Counter

import pytest

from sim import Accelerator, VirtualClock
from tests.sim.sim_requests import Completions

INERT = "fail:op=no-such-kernel"
"""Sends all requests through the schedule, and changes nothing."""


def order(seed: int, *, faults: str = "", batches: tuple[int, ...] = (32,)) -> list[bytes]:
    """In which order requests complete that were submitted in these batches."""
    clock = VirtualClock()
    with Accelerator(64, clock=clock, seed=seed, faults=faults) as accel:
        completions = Completions(accel)
        for batch in batches:
            for _ in range(batch):
                completions.submit("echo", bytes([len(completions.done) + accel.in_flight]))
            clock.jump()
        return completions.payloads


@pytest.mark.parametrize("seed", range(5))
def test_the_seed_decides_the_order_and_a_schedule_would_give_the_same(seed: int) -> None:
    straight = order(seed, batches=(32, 1, 16))
    assert straight == order(seed, batches=(32, 1, 16)) == order(seed, faults=INERT, batches=(32, 1, 16))
    assert sorted(straight) == [bytes([number]) for number in range(49)] != straight


def test_other_seeds_give_other_orders() -> None:
    assert len({tuple(order(seed)) for seed in range(8)}) == 8


def test_a_keyboard_interrupt_in_a_kernel_fails_its_request_alone_and_is_raised() -> None:
    clock, ran = VirtualClock(), Counter[bytes]()

    def kernel(payload: bytes) -> bytes:
        ran[payload] += 1
        if payload == b"\3":
            raise KeyboardInterrupt
        return payload

    with Accelerator(16, clock=clock, seed=1) as accel:
        accel.register("mine", kernel)
        completions = Completions(accel)
        sent = [completions.submit("mine", bytes([number])) for number in range(8)]
        with pytest.raises(KeyboardInterrupt):
            clock.jump()
        clock.jump()
        assert sorted(completions.payloads) == [request.payload for request in sent]
        assert set(ran.values()) == {1}
        assert [type(request.error) for request in sent] == [
            KeyboardInterrupt if n == 3 else type(None) for n in range(8)
        ]
        statistics = accel.statistics()
        assert (statistics.completed, statistics.failed) == (7, 1)


def test_the_times_are_those_of_the_instant() -> None:
    clock = VirtualClock(start_ns=7)
    with Accelerator(16, clock=clock) as accel:
        request = Completions(accel).submit()
        clock.advance(1_000)
        assert (request.submitted_ns, request.started_ns, request.finished_ns) == (7, 7, 7)
        assert accel.statistics().busy_ns == 0


@pytest.mark.parametrize("faults", ["", INERT], ids=["straight", "scheduled"])
def test_a_timer_of_the_instant_is_called_before_the_completions_are_handed_out(faults: str) -> None:
    clock, done_before = VirtualClock(), list[int]()
    with Accelerator(16, clock=clock, faults=faults) as accel:
        completions = Completions(accel)
        completions.submit()
        accel.call_at(0, lambda: done_before.append(len(completions.done)))
        clock.jump()
        assert done_before == [0]
        assert len(completions.done) == 1
