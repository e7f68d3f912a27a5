"""What each kind of fault does to the completion of its request, and that it does nothing to the others."""

from __future__ import annotations

from hashlib import sha256

import pytest

from sim import (
    ClosedError,
    DeviceError,
)
from sim.faults import KINDS
from sim.faults.handlers import HANDLERS
from tests.testing.faulty import SERVICE_NS, Faulty


def test_without_a_fault_every_request_completes_in_its_turn() -> None:
    with Faulty() as device:
        requests = device.submit(4)
        device.drain()
        assert all(request.right for request in requests)
        assert [request.at_ns for request in requests] == [[10_000], [20_000], [30_000], [40_000]]
        assert device.accel.statistics().faults == {}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("reset", "remove")])
def test_a_fault_is_counted_and_leaves_the_others_alone(kind: str) -> None:
    with Faulty(f"{kind}:nth=2") as device:
        requests = device.submit(4)
        device.drain()
        assert [request.right for request in requests if request is not requests[1]] == [True] * 3
        assert device.accel.statistics().faults == {kind: 1}
        assert device.accel.faults.counts == {kind: 1}


def test_fail() -> None:
    with Faulty("fail:status=parity,nth=1") as device:
        (request,) = device.submit()
        device.drain()
        assert isinstance(request.error, DeviceError)
        assert request.error.status == "parity"
        assert request.result is None
        assert request.at_ns == [SERVICE_NS]
        assert device.accel.statistics().failed == 1


def test_corrupt_flips_the_bits_it_says_in_the_bytes_it_says() -> None:
    with Faulty("corrupt:bytes=0+-1+33,bits=0x81") as device:
        (request,) = device.submit()
        device.drain()
        right = sha256(request.payload).digest()
        assert request.result is not None
        flipped = {at: a ^ b for at, (a, b) in enumerate(zip(right, request.result, strict=True)) if a != b}
        assert flipped == {0: 0x81, 31: 0x81, 1: 0x81}


def test_corrupt_without_more_flips_one_bit() -> None:
    with Faulty("corrupt") as device:
        requests = device.submit(8)
        device.drain()
        places = set()
        for request in requests:
            right = sha256(request.payload).digest()
            assert request.result is not None
            difference = int.from_bytes(right, "big") ^ int.from_bytes(request.result, "big")
            assert difference.bit_count() == 1
            places.add(difference)
        assert len(places) > 1


def test_corrupt_leaves_an_empty_result_and_an_error_alone() -> None:
    with Faulty("corrupt") as device:

        def refuse(data: bytes) -> bytes:
            raise ValueError("no")

        device.accel.register("refuse", refuse)
        empty, refused = device.submit(op="null") + device.submit(op="refuse")
        device.drain()
        assert empty.result == b""
        assert refused.result is None


def test_lose_keeps_the_slot_until_the_end_of_the_device() -> None:
    with Faulty("lose:nth=1", depth=2) as device:
        lost, other = device.submit(2)
        device.drain()
        assert other.right
        assert lost.at_ns == []
        assert device.accel.in_flight == 1
        assert device.accel.free_slots == 1
        device.accel.close()
        assert isinstance(lost.error, ClosedError)
        assert len(lost.at_ns) == 1


def test_hold_until_released() -> None:
    with Faulty("hold") as device:
        requests = device.submit(2)
        device.drain()
        assert device.log == []
        assert device.accel.faults.held == 2
        device.clock.advance(1_000_000)
        device.accel.faults.release()
        device.drain()
        assert all(request.right for request in requests)
        assert device.log[0].at_ns == [1_000_000]
        assert device.accel.faults.held == 0


def test_leaving_the_guard_releases_what_its_rules_hold() -> None:
    with Faulty("hold:nth=1") as device:
        (kept,) = device.submit()
        with device.accel.faults.install("hold:nth=1") as guard:
            inner, never_held = device.submit(2)
            device.drain()
            assert guard.fired == 1
            assert device.log == [never_held]
        device.drain()
        assert inner.right
        assert kept.at_ns == []


def test_a_request_held_by_a_guard_that_was_left_before_the_fetch_is_not_kept() -> None:
    with Faulty() as device:
        with device.accel.faults.install("hold"):
            (request,) = device.submit()
        device.drain()
        assert request.right


def test_delay() -> None:
    with Faulty("delay:by=5ms,nth=1") as device:
        late, other = device.submit(2)
        device.drain()
        assert late.right
        assert late.at_ns == [SERVICE_NS + 5_000_000]
        assert other.at_ns == [2 * SERVICE_NS], "the unit is free in time"


def test_reorder_goes_behind_so_many() -> None:
    with Faulty("reorder:past=2,nth=1") as device:
        first, second, third, fourth = device.submit(4)
        device.drain()
        assert device.log == [second, third, first, fourth]
        assert first.at_ns == third.at_ns


def test_reorder_ends_in_time_where_nothing_follows() -> None:
    with Faulty("reorder:past=3,within=50us,nth=1") as device:
        first, second = device.submit(2)
        device.drain()
        assert device.log == [second, first]
        assert first.right
        assert first.at_ns == [SERVICE_NS + 50_000]


def test_two_reordered_ones_overtake_each_other_once() -> None:
    with Faulty("reorder:count=2") as device:
        first, second, third = device.submit(3)
        device.drain()
        assert sorted(map(id, device.log)) == sorted(map(id, (first, second, third)))
        assert all(request.right for request in (first, second, third))


def test_duplicate_completes_twice_and_counts_once() -> None:
    with Faulty("duplicate:after=7us,nth=1") as device:
        twice, once = device.submit(2)
        device.drain()
        assert twice.at_ns == [10_000, 17_000]
        assert len(once.at_ns) == 1
        counted = device.accel.statistics()
        assert (counted.submitted, counted.completed, counted.spurious) == (2, 2, 1)


def test_duplicates_do_not_overflow_a_ring_that_nobody_polls() -> None:
    with Faulty("duplicate", depth=2) as device:
        device.accel.attach(print, polled=True)
        try:
            requests = device.submit(2)
            device.drain()
            assert device.log == []
            while device.accel.poll(1):
                pass
            assert [len(request.at_ns) for request in requests] == [2, 2]
        finally:
            device.accel.detach(print)


def test_spurious_wake_comes_without_a_completion() -> None:
    with Faulty("spurious-wake:after=3us,nth=1") as device:
        (request,) = device.submit()
        device.drain()
        assert request.right
        assert request.woken_at_ns == [3_000]


def test_spurious_wake_tells_who_polls_that_there_is_something() -> None:
    with Faulty("spurious-wake") as device:
        device.accel.attach(print, polled=True)
        told: list[int] = []
        device.accel.notify_once(lambda: told.append(device.clock.now_ns()))
        device.submit()
        device.clock.advance(1)
        assert told == [0]
        assert device.accel.poll() == 0
        device.accel.detach(print)


def test_early_wake_comes_before_the_completion() -> None:
    with Faulty("early-wake:by=2us") as device:
        (request,) = device.submit()
        device.drain()
        assert request.right
        assert request.woken_at_ns == [10_000]
        assert request.at_ns == [12_000]


def test_every_kind_of_fault_has_one_handler_of_its_own() -> None:
    assert set(HANDLERS) == set(KINDS.values())
    assert len(set(map(type, HANDLERS.values()))) == len(KINDS)
