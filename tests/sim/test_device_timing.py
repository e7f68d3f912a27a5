"""Units and timing in virtual time, against an independent model; the order of ties; one seed, one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Accelerator, Request, UsageError, VirtualClock
from sim.timing import Fixed, Recorded, Timing
from tests.sim.sim_requests import Completions


@dataclass
class Sent:
    """A request of a program: when it is submitted, and how long its service and its latency are."""

    at_ns: int
    service_ns: int
    latency_ns: int


_PROGRAMS = st.lists(st.builds(Sent, st.integers(0, 300), st.integers(0, 100), st.integers(0, 100)), max_size=40).map(
    lambda program: sorted(program, key=lambda sent: sent.at_ns)
)


def expected_times(units: int, program: list[Sent]) -> list[tuple[int, int]]:
    """Start and completion of each request: as soon as it was sent and a unit is free, first come, first served."""
    free_ns = [0] * units
    times = []
    for sent in program:
        unit = min(range(units), key=lambda unit: free_ns[unit])
        start_ns = max(sent.at_ns, free_ns[unit])
        free_ns[unit] = start_ns + sent.service_ns
        times.append((start_ns, free_ns[unit] + sent.latency_ns))
    return times


@given(st.integers(1, 4), _PROGRAMS)
def test_any_program_against_the_model(units: int, program: list[Sent]) -> None:
    clock = VirtualClock()
    services = Recorded(tuple(sent.service_ns for sent in program) or (0,))
    latencies = Recorded(tuple(sent.latency_ns for sent in program) or (0,))
    delivered: dict[int, int] = {}
    with Accelerator(64, units, Timing(services, latencies), clock=clock) as accel:
        requests = []
        for index, sent in enumerate(program):
            clock.advance_to(sent.at_ns)
            request = Request(
                "null",
                b"",
                on_complete=lambda request, index=index: delivered.update({index: clock.now_ns()}),  # type: ignore[misc]
            )
            accel.prepare(request)
            assert accel.submit(request)
            clock.advance(0)  # the device looks at once, as a worker would
            requests.append(request)
        while clock.jump():
            pass
        statistics = accel.statistics()
        end_ns = clock.now_ns()
    expected = expected_times(units, program)
    assert [(request.started_ns, request.finished_ns) for request in requests] == expected
    assert delivered == {index: finished_ns for index, (_, finished_ns) in enumerate(expected)}
    assert [request.submitted_ns for request in requests] == [sent.at_ns for sent in program]
    assert statistics.completed == len(program)
    busy_ns = sum(sent.service_ns for sent in program)
    assert statistics.utilisation == (pytest.approx(busy_ns / (end_ns * units)) if end_ns else 0.0)


def test_units_work_in_parallel() -> None:
    for units, rounds in ((1, 8), (4, 2), (8, 1)):
        clock = VirtualClock()
        with Accelerator(8, units, "fixed:1us", clock=clock) as accel:
            Completions(accel).fill()
            while clock.jump():
                pass
            assert clock.now_ns() == rounds * 1_000


def test_a_preset_brings_its_units() -> None:
    with Accelerator(latency="preset:qat-dh895xcc", clock=VirtualClock()) as accel:
        assert accel.units > 1
    with Accelerator(latency="preset:qat-dh895xcc", units=3, clock=VirtualClock()) as accel:
        assert accel.units == 3


@pytest.mark.parametrize("latency", ["fixed:-1us", "fixed:fast", 5, b"fixed:1us", object()])
def test_a_latency_that_can_not_be(latency: object) -> None:
    with pytest.raises(UsageError):
        Accelerator(latency=latency, clock=VirtualClock())  # type: ignore[arg-type]


def test_the_split_of_a_request_time() -> None:
    clock = VirtualClock()
    with Accelerator(8, 1, Timing(Fixed(100), Fixed(30)), clock=clock) as accel:
        completions = Completions(accel)
        completions.submit()
        completions.submit()
        clock.advance(1_000)
    assert [(request.queue_ns, request.service_ns) for request in completions.done] == [(0, 130), (100, 130)]


# Ties and seeds


def order_of(seed: int, count: int = 16, latency: str = "fixed:1us") -> list[bytes]:
    """The order in which requests that were submitted together complete."""
    clock = VirtualClock()
    with Accelerator(64, count, latency, seed=seed, clock=clock) as accel:
        completions = Completions(accel)
        for index in range(count):
            completions.submit(payload=bytes([index]))
        while clock.jump():
            pass
    return completions.payloads


def test_ties_are_shuffled_by_the_seed() -> None:
    orders = {seed: order_of(seed) for seed in range(8)}
    assert all(sorted(order) == [bytes([index]) for index in range(16)] for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 8  # of 16! orders


def test_equal_seeds_give_equal_orders() -> None:
    for seed in (0, 1, 2**64 - 1):
        assert order_of(seed) == order_of(seed)


def test_equal_seeds_give_equal_times_and_unequal_ones_differ() -> None:
    def times(seed: int | None) -> tuple[int, list[int]]:
        clock = VirtualClock()
        with Accelerator(64, 2, "lognormal:50us,0.5", seed=seed, clock=clock) as accel:
            completions = Completions(accel)
            requests = [completions.submit() for _ in range(20)]
            while clock.jump():
                pass
            return accel.seed, [request.finished_ns for request in requests]

    chosen, first = times(None)
    assert times(chosen) == (chosen, first)
    assert times(chosen + 1)[1] != first


def test_a_duration_does_not_depend_on_what_else_is_random() -> None:
    """Each use has its own stream: ties drawn for more requests shift no service time."""

    def services(extra: Mapping[str, int]) -> list[int]:
        clock = VirtualClock()
        with Accelerator(64, 8, "uniform:1us,9us", seed=5, clock=clock) as accel:
            completions = Completions(accel)
            requests = [completions.submit("null", bytes(extra.get("size", 0))) for _ in range(10)]
            while clock.jump():
                pass
        return [request.service_ns for request in requests]

    assert services({}) == services({"size": 1000})


def test_the_order_of_a_batch_without_ties_is_that_of_its_times() -> None:
    clock = VirtualClock()
    with Accelerator(8, 8, Recorded((300, 100, 200)), clock=clock) as accel:
        completions = Completions(accel)
        for payload in (b"300", b"100", b"200"):
            completions.submit(payload=payload)
        while clock.jump():
            pass
    assert completions.payloads == [b"100", b"200", b"300"]


def test_in_real_time_a_completion_is_never_early() -> None:
    with Accelerator(8, 8, "fixed:2ms") as accel:
        completions = Completions(accel)
        sent = completions.fill()
        completions.wait(8)
        now_ns = accel.clock.now_ns()
    for request in sent:
        assert request.submitted_ns + 2_000_000 <= request.finished_ns <= now_ns
