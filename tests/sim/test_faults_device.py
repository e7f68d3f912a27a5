"""Faults of interrupt, doorbell, ring and units, resets and removals, and the end of a faulty device."""

from __future__ import annotations

import pytest

from sim import (
    Accelerator,
    ClosedError,
    RejectedError,
    RemovedError,
    Request,
    ResetError,
    UsageError,
    VirtualClock,
)
from sim.faults import KINDS, When
from tests.testing.faulty import Faulty


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
