"""The statistics add up, whatever happens to requests."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Accelerator, Delivery, Percentiles, Request, VirtualClock
from tests.sim.sim_requests import Completions

ENDS = ("delivered", "failed", "orphaned", "spurious", "handler raises")


def submit(accel: Accelerator, end: str) -> bool:
    """A request that ends so."""

    def complete(request: Request) -> Delivery | None:
        if end == "handler raises":
            raise ValueError(end)
        return {"orphaned": Delivery.ORPHANED, "spurious": Delivery.SPURIOUS}.get(end)

    request = Request("fails" if end == "failed" else "null", b"", on_complete=complete)
    accel.prepare(request)
    return accel.submit(request)


def fails(payload: bytes) -> bytes:
    raise ValueError("the kernel's")


@given(st.lists(st.one_of(st.sampled_from(ENDS), st.integers(0, 500)), max_size=60))
def test_they_add_up(program: list[str | int]) -> None:
    clock = VirtualClock()
    count = dict.fromkeys((*ENDS, "full"), 0)
    with pytest.MonkeyPatch.context() as patch, Accelerator(8, 2, "fixed:100ns", clock=clock) as accel:
        patch.setattr("threading.excepthook", lambda args: None)
        accel.register("fails", fails)
        for step in program:
            if isinstance(step, int):
                clock.advance(step)
            else:
                count[step if submit(accel, step) else "full"] += 1
            statistics = accel.statistics()
            settled = statistics.completed + statistics.failed + statistics.orphaned
            assert statistics.submitted == settled + statistics.in_flight
            assert statistics.in_flight <= statistics.high_water <= 8
        clock.advance(10_000)
        statistics = accel.statistics()
        end_ns = clock.now_ns()
    submitted = sum(count[end] for end in ENDS)
    assert statistics.in_flight == 0
    assert statistics.submitted == submitted
    assert statistics.ring_full == count["full"]
    assert statistics.failed == count["failed"]
    assert statistics.handler_errors == count["handler raises"]
    assert statistics.completed == count["delivered"] + count["handler raises"]
    assert statistics.orphaned == count["orphaned"] + count["spurious"]
    assert statistics.spurious == count["spurious"]
    assert sum(statistics.by_op.values()) == statistics.completed + statistics.failed
    assert sum(statistics.batch_sizes.values()) == statistics.batches
    assert statistics.busy_ns == submitted * 100
    assert statistics.utilisation == pytest.approx(submitted * 100 / (2 * end_ns))


def test_time_at_full_runs_from_the_refusal_to_the_next_free_slot() -> None:
    clock = VirtualClock()
    with Accelerator(1, latency="fixed:1us", clock=clock) as accel:
        completions = Completions(accel)
        completions.submit()
        clock.advance(300)
        assert accel.statistics().time_at_full_ns == 0  # full, and nobody minds
        assert accel.submit(completions.request()) is False
        clock.advance(200)
        assert accel.statistics().time_at_full_ns == 200
        assert accel.submit(completions.request()) is False  # still the same time
        clock.advance(1_000)
        assert accel.statistics().time_at_full_ns == 700
        assert accel.statistics().ring_full == 2


def test_the_highest_number_in_flight() -> None:
    clock = VirtualClock()
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)
        for count in (2, 5, 3):
            for _ in range(count):
                completions.submit()
            clock.jump()
        assert accel.statistics().high_water == 5


def test_batches_by_size() -> None:
    clock = VirtualClock()
    with Accelerator(64, clock=clock) as accel:
        completions = Completions(accel)
        for count in (1, 1, 2, 3, 4, 7, 8, 40):
            for _ in range(count):
                completions.submit()
            clock.jump()
        assert accel.statistics().batch_sizes == {1: 2, 2: 2, 4: 2, 8: 1, 32: 1}


def test_queue_and_service_times() -> None:
    clock = VirtualClock()
    with Accelerator(128, 1, "fixed:1us", clock=clock) as accel:
        completions = Completions(accel)
        for _ in range(101):
            completions.submit()
        while clock.jump():
            pass
        statistics = accel.statistics()
    assert (statistics.service.p50_ns, statistics.service.max_ns) == (1_000, 1_000)
    assert (statistics.queue.p50_ns, statistics.queue.max_ns) == (50_000, 100_000)


def test_an_idle_device_has_statistics_too() -> None:
    with Accelerator(clock=VirtualClock()) as accel:
        statistics = accel.statistics()
        assert statistics.utilisation == 0.0
        assert statistics.queue.max_ns == 0
        assert statistics.batch_sizes == {}


@pytest.mark.parametrize(
    ("times_ns", "percentiles"),
    [
        ([], Percentiles(0, 0, 0, 0)),
        ([7], Percentiles(7, 7, 7, 7)),
        ([30, 10, 20], Percentiles(20, 29, 29, 30)),
        ([1, 2], Percentiles(1, 1, 1, 2)),
        (range(1001), Percentiles(500, 990, 999, 1000)),
        ([2**62, 2**62 + 1000], Percentiles(2**62 + 500, 2**62 + 990, 2**62 + 999, 2**62 + 1000)),
    ],
)
def test_percentiles_are_interpolated_and_rounded_down(times_ns: Sequence[int], percentiles: Percentiles) -> None:
    assert Percentiles.of(times_ns) == percentiles


def test_an_interrupt_takes_no_virtual_time() -> None:
    clock = VirtualClock(1_000)
    with Accelerator(clock=clock) as accel:
        Completions(accel).submit()
        clock.jump()
        assert accel.statistics().interrupts == 1
        assert accel.statistics().longest_interrupt_ns == 0


def test_no_submit_means_that_nothing_was_ever_in_flight() -> None:
    with Accelerator(clock=VirtualClock()) as accel:
        assert accel.statistics().high_water == 0


def test_they_fit_into_json_and_are_frozen() -> None:
    with Accelerator(clock=VirtualClock()) as accel:
        statistics = accel.statistics()
    assert json.loads(json.dumps(statistics.to_dict()))["queue"]["p99_ns"] == 0
    with pytest.raises(AttributeError):
        statistics.submitted = 5  # type: ignore[misc]


def test_doorbells_count_only_what_woke_the_device() -> None:
    with Accelerator(clock=VirtualClock()) as accel:  # nobody sleeps
        Completions(accel).submit()
        accel.doorbell()
        assert accel.statistics().doorbells == 0
