"""The submission ring, its doorbell and the completion ring, seen from outside the device."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Accelerator, Coalescing, InternalError, Request, UsageError, VirtualClock
from sim.ring import MAX_DEPTH, CompletionRing, SubmissionRing
from tests.sim.sim_requests import Completions


@pytest.mark.parametrize("depth", [0, -1, 3, 255, MAX_DEPTH * 2, True, 4.0, "8", None])
def test_a_depth_that_is_no_power_of_two_is_refused(depth: Any) -> None:
    with pytest.raises(UsageError, match="power of two") as caught:
        Accelerator(depth, clock=VirtualClock())
    assert f"depth={depth!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("depth", "cure"),
    [
        (3, "2 or 4"),
        (1000, "512 or 1024"),
        (MAX_DEPTH - 1, f"{MAX_DEPTH // 2} or {MAX_DEPTH}"),
        (MAX_DEPTH + 1, str(MAX_DEPTH)),
        (MAX_DEPTH * 4 + 1, str(MAX_DEPTH)),
    ],
)
def test_the_message_names_depths_near_by(depth: int, cure: str) -> None:
    with pytest.raises(UsageError, match=f", such as {cure}$"):
        SubmissionRing(depth)


@pytest.mark.parametrize("start", range(4))
@pytest.mark.parametrize(("pushed", "fetched"), [(4, 4), (4, 3), (3, 2), (2, 2), (1, 1)])
def test_the_ring_lets_go_of_what_was_fetched_and_of_nothing_else(start: int, pushed: int, fetched: int) -> None:
    """Wherever on the ring it stands: what is fetched together may go round its end."""
    ring = SubmissionRing(4)
    ring.tail = ring.rung = ring.head = ring.reaped = start
    requests = [Request("echo", bytes([number])) for number in range(pushed)]
    for request in requests:
        assert ring.push(request)
    ring.rung = start + fetched
    assert ring.announced() == requests[:fetched]
    ring.head = ring.rung
    ring.clear(fetched)
    assert ring.announced() == []
    kept = {(start + number) % 4: requests[number] for number in range(fetched, pushed)}
    assert ring.slots == [kept.get(slot) for slot in range(4)]


@pytest.mark.parametrize("depth", [1, 2, 256, 1 << 12])
def test_a_ring_takes_its_depth_and_then_answers_full(depth: int) -> None:
    clock = VirtualClock()
    with Accelerator(depth, clock=clock) as accel:
        completions = Completions(accel)
        completions.fill()
        assert (accel.free_slots, accel.in_flight) == (0, depth)
        late = completions.request()
        assert accel.submit(late) is False  # an answer, no error
        assert accel.enqueue(late) is False
        assert accel.statistics().ring_full == 2
        assert clock.jump()
        assert accel.submit(late) is True
    assert len(completions.done) == depth + 1


def test_a_request_waits_for_the_doorbell() -> None:
    clock = VirtualClock()
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)
        request = completions.request("echo", b"one")
        assert accel.enqueue(request)
        assert accel.in_flight == 1
        clock.advance(1_000_000_000)
        assert completions.done == []
        accel.doorbell()
        clock.jump()
        assert completions.done == [request]
        assert request.result == b"one"


def test_one_doorbell_for_a_batch() -> None:
    clock = VirtualClock()
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)
        requests = [completions.request(payload=bytes([index])) for index in range(5)]
        for request in requests:
            assert accel.enqueue(request)
        accel.doorbell()
        clock.jump()
        statistics = accel.statistics()
        assert len(completions.done) == 5
        assert statistics.batches == 1
        assert statistics.batch_sizes == {4: 1}  # 4 to 7


def test_the_device_fetches_no_more_than_was_announced() -> None:
    clock = VirtualClock()
    with Accelerator(8, clock=clock) as accel:
        completions = Completions(accel)
        first, second = completions.request(payload=b"1"), completions.request(payload=b"2")
        accel.enqueue(first)
        accel.doorbell()
        accel.enqueue(second)
        clock.jump()
        assert completions.done == [first]
        accel.doorbell()
        clock.jump()
        assert completions.done == [first, second]


def test_an_idle_doorbell_does_nothing() -> None:
    clock = VirtualClock()
    with Accelerator(8, clock=clock) as accel:
        accel.doorbell()
        assert clock.jump() is False
        assert accel.statistics().batches == 0


def test_slots_are_free_only_when_the_completion_was_reaped() -> None:
    clock = VirtualClock()
    with Accelerator(2, latency="fixed:10us", clock=clock) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        completions.fill()
        clock.advance(1_000_000)  # fetched, worked, complete
        assert completions.done == []
        assert accel.free_slots == 0
        assert accel.submit(completions.request()) is False
        assert accel.poll(1) == 1
        assert accel.free_slots == 1
        assert accel.poll() == 1
        assert accel.free_slots == 2


def test_slots_and_counts_are_right_when_the_owner_is_told() -> None:
    clock = VirtualClock()
    seen: list[tuple[int, int]] = []
    with Accelerator(2, clock=clock) as accel:

        def look(request: Request) -> None:
            seen.append((accel.free_slots, accel.statistics().completed))

        request = Request("null", b"", on_complete=look)
        accel.prepare(request)
        accel.submit(request)
        clock.jump()
    assert seen == [(2, 1)]


def test_a_completed_slot_may_be_taken_by_the_handler_itself() -> None:
    clock = VirtualClock()
    with Accelerator(1, clock=clock) as accel:
        rounds: list[bytes] = []

        def again(request: Request) -> None:
            rounds.append(request.payload)
            if len(rounds) < 5:
                following = Request("echo", bytes([len(rounds)]), on_complete=again)
                accel.prepare(following)
                assert accel.submit(following)

        first = Request("echo", b"\0", on_complete=again)
        accel.prepare(first)
        accel.submit(first)
        while clock.jump():
            pass
    assert rounds == [bytes([index]) for index in range(5)]


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("enqueue"), st.integers(1, 5)),
        st.tuples(st.just("submit"), st.integers(1, 5)),
        st.tuples(st.just("doorbell"), st.just(0)),
        st.tuples(st.just("advance"), st.just(0)),
        st.tuples(st.just("poll"), st.integers(0, 3)),
    ),
    max_size=80,
)


@given(st.sampled_from([1, 2, 4, 8]), _STEPS)
def test_any_program_against_queues(depth: int, steps: list[tuple[str, int]]) -> None:
    """The model: requests move from `quiet` to `rung` to `complete` to `reaped`; a slot is theirs up to the last."""
    clock = VirtualClock()
    with Accelerator(depth, clock=clock) as accel:
        accel.attach(lambda slots: None, polled=True)
        completions = Completions(accel)
        quiet: list[bytes] = []
        rung: list[bytes] = []
        complete: list[bytes] = []
        reaped: list[bytes] = []
        full = serial = 0
        for step, count in steps:
            if step in ("enqueue", "submit"):
                for _ in range(count):
                    serial += 1
                    payload = serial.to_bytes(2, "big")
                    taken = len(quiet) + len(rung) + len(complete) < depth
                    assert getattr(accel, step)(completions.request(payload=payload)) is taken
                    full += not taken
                    if taken:
                        quiet.append(payload)
                        if step == "submit":
                            rung, quiet = rung + quiet, []
            elif step == "doorbell":
                accel.doorbell()
                rung, quiet = rung + quiet, []
            elif step == "advance":
                clock.advance(0)
                # What completes at one instant does so in any order: the device says in which.
                complete += sorted(rung)
                rung = []
            else:
                before = len(completions.done)
                expected = min(count or depth, len(complete))
                assert accel.poll(count) == expected
                found = completions.payloads[before:]
                assert len(found) == expected
                assert set(found) <= set(complete)
                reaped += found
                complete = [payload for payload in complete if payload not in found]
            assert completions.payloads == reaped
            assert accel.free_slots == depth - len(quiet) - len(rung) - len(complete)
            assert accel.statistics().ring_full == full
        unannounced = len(quiet)
    assert sum(request.error is not None for request in completions.done) == unannounced


@given(st.sampled_from([1, 2, 8]), st.lists(st.integers(1, 8), max_size=40))
def test_wrap_around_keeps_order_and_contents(depth: int, bursts: list[int]) -> None:
    ring = SubmissionRing(depth)
    pushed: list[Any] = []
    fetched: list[Any] = []
    for burst in bursts:
        for _ in range(burst):
            item = Request("echo", b"")
            if ring.push(item):
                pushed.append(item)
        ring.rung = ring.tail
        batch = ring.announced()[:burst]
        ring.head += len(batch)
        ring.clear(len(batch))
        fetched += batch
        ring.reaped += len(batch)
        assert 0 <= ring.outstanding <= depth
    batch = ring.announced()
    ring.head += len(batch)
    ring.clear(len(batch))
    fetched += batch
    assert fetched == pushed
    assert ring.slots == [None] * depth  # nothing is kept alive behind its fetch
    assert ring.high_water <= depth


def test_the_completion_ring_says_so_if_it_ever_overflows() -> None:
    """It can't, as long as slots are freed at the reap alone; who breaks that must hear of it."""
    ring = CompletionRing(2)
    item: Any = object()
    ring.check_room(2)
    ring.entries += (item, item)
    with pytest.raises(InternalError, match="overflowed"):
        ring.check_room(1)
    ring.reaped = 1
    ring.check_room(1)
    ring.entries += (item,)
    ring.echoes += 1
    ring.check_room(1)
    with pytest.raises(InternalError, match="overflowed"):
        ring.check_room(2)


def test_a_long_coalescing_time_overflows_nothing() -> None:
    clock = VirtualClock()
    with Accelerator(4, clock=clock, coalescing=Coalescing(count=100, time_ns=1_000)) as accel:
        completions = Completions(accel)
        for _ in range(10):
            completions.fill()
            assert accel.submit(completions.request()) is False
            clock.advance(1_000)
        assert len(completions.done) == 40
