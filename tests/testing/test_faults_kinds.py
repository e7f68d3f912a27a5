"""What each kind of fault does to the request it is met by, and that it does nothing to the others."""

from __future__ import annotations

from hashlib import sha256

import pytest

from sim import (
    Accelerator,
    ClosedError,
    DeviceError,
    RejectedError,
    RemovedError,
    Request,
    ResetError,
    UsageError,
    VirtualClock,
)
from sim.faults import KINDS, When
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


def test_lost_interrupt_is_found_by_the_next() -> None:
    with Faulty("lose-interrupt:nth=1") as device:
        silent, loud = device.submit(2)
        device.clock.advance(15_000)
        assert silent.at_ns == []
        device.drain()
        assert silent.at_ns == loud.at_ns == [20_000]
        assert silent.right


def test_lost_interrupt_is_found_by_a_poll() -> None:
    with Faulty("lose-interrupt") as device:
        device.accel.attach(print, polled=True)
        (request,) = device.submit()
        device.drain()
        assert device.accel.poll() == 1
        assert request.right
        device.accel.detach(print)


def test_stuck_doorbell_until_the_next_that_works() -> None:
    with Faulty("stick-doorbell:rings=2,nth=1") as device:
        first, second = device.submit(2)
        device.drain()
        assert device.log == []
        (third,) = device.submit()
        device.drain()
        assert device.log == [first, second, third]


def test_stuck_doorbell_swallows_the_one_ring_of_a_batch() -> None:
    with Faulty("stick-doorbell:nth=1") as device:
        requests = [Request("null", b"") for _ in range(3)]
        for request in requests:
            device.accel.prepare(request)
            assert device.accel.enqueue(request)
        device.accel.doorbell()
        device.drain()
        assert device.accel.statistics().completed == 0
        device.accel.doorbell()
        device.drain()
        assert device.accel.statistics().completed == 3


def test_release_rings_a_stuck_doorbell() -> None:
    with Faulty("stick-doorbell:rings=9") as device:
        (request,) = device.submit()
        device.accel.faults.release()
        device.drain()
        assert request.right


def test_partial_batch_leaves_the_rest_for_later() -> None:
    with Faulty("partial-batch:for=100us,nth=2", units=4) as device:
        requests = device.submit(4)
        device.drain()
        assert [request.started_ns for request in requests] == [0, 0, 100_000, 100_000]
        assert all(request.right for request in requests)


def test_reject_as_a_full_ring() -> None:
    with Faulty("reject:nth=2") as device:
        taken, refused = device.submit(2)
        assert device.accel.statistics().submitted == 1
        assert device.accel.submit(refused)
        device.drain()
        assert taken.right
        assert refused.right


def test_reject_for_good() -> None:
    with Faulty("reject:as=fatal,nth=2") as device:
        device.submit()
        with pytest.raises(RejectedError, match="rejected sha256"):
            device.submit()
        assert device.accel.in_flight == 1
        device.drain()
        assert device.accel.statistics().submitted == 1


def test_stall_keeps_a_unit_from_starting() -> None:
    with Faulty("stall:for=1ms,nth=2", units=2) as device:
        requests = device.submit(4)
        device.drain()
        # The second unit stalls, so all the others go to the first.
        assert [request.started_ns for request in requests] == [0, 10_000, 20_000, 30_000]
        assert all(request.right for request in requests)


def test_stall_of_a_unit_by_its_number() -> None:
    with Faulty("stall:for=1ms,unit=0,nth=1", units=1) as device:
        (request,) = device.submit()
        device.drain()
        assert request.started_ns == 1_000_000


def test_stall_of_a_unit_that_is_not_there_is_told_at_the_submit() -> None:
    with Faulty("stall:unit=3", units=2) as device:
        with pytest.raises(UsageError, match="the units are 0 to 1"):
            device.submit()
        assert device.accel.in_flight == 0


def test_reset_fails_all_in_flight_and_the_device_goes_on() -> None:
    with Faulty("reset:after=15us,nth=1") as device:
        requests = device.submit(4)
        device.drain()
        # The one that met the fault and all that were not complete 15 us later.
        assert [type(request.error) for request in requests] == [ResetError] * 4
        assert [request.at_ns for request in requests] == [[15_000]] * 4
        (later,) = device.submit()
        device.drain()
        assert later.right
        assert later.started_ns == 15_000


def test_reset_spares_what_was_complete() -> None:
    with Faulty("reset:after=25us,nth=3") as device:
        requests = device.submit(4)
        device.drain()
        assert [request.right for request in requests] == [True, True, False, False]


def test_reset_by_hand_frees_what_was_lost_held_and_stuck() -> None:
    with Faulty("lose:nth=1", "hold:nth=1", "stick-doorbell:nth=1") as device:
        requests = device.submit(3)
        device.drain()
        assert device.log == []
        device.accel.faults.reset()
        device.drain()
        assert [type(request.error) for request in requests] == [ResetError] * 3
        assert device.accel.in_flight == 0


def test_reset_tells_of_completions_whose_interrupt_was_lost() -> None:
    with Faulty("lose-interrupt") as device:
        (request,) = device.submit()
        device.drain()
        assert request.at_ns == []
        device.accel.faults.reset()
        device.drain()
        assert request.right


def test_removal_fails_all_until_it_is_plugged_in_again() -> None:
    with Faulty("remove:nth=2,after=5us") as device:
        requests = device.submit(3)
        device.drain()
        assert [type(request.error) for request in requests] == [RemovedError] * 3
        for _ in range(2):
            with pytest.raises(RemovedError, match="nothing can be submitted"):
                device.submit()
        device.accel.faults.plug_in()
        (later,) = device.submit()
        device.drain()
        assert later.right


def test_plugging_in_what_was_not_removed_does_nothing() -> None:
    with Faulty() as device:
        device.accel.faults.plug_in()
        (request,) = device.submit()
        device.drain()
        assert request.right


def test_a_removed_device_can_be_closed() -> None:
    with Faulty() as device:
        device.submit(2)
        device.accel.faults.remove()
        device.drain()
        device.accel.close()
        device.accel.faults.plug_in()
        with pytest.raises(ClosedError):
            device.submit()


def test_closing_drains_what_will_complete_and_fails_the_rest() -> None:
    accel = Accelerator(
        8,
        latency="fixed:10us",
        clock=VirtualClock(),
        seed=1,
        faults=[When(KINDS["lose"](), nth=1), "delay:nth=1;reorder:nth=1;duplicate:nth=1;hold:nth=1"],
    )
    requests = [Request("null", b"") for _ in range(5)]
    for request in requests:
        accel.prepare(request)
        accel.submit(request)
    accel.close()
    assert [type(request.error) for request in requests] == [ClosedError, *[type(None)] * 3, ClosedError]
    assert accel.in_flight == 0
