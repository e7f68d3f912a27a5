"""The reaper by itself: whom it tells again after an exception, what it keeps for the next reap, and what it counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hotpath.submittable import Submittable
from sim.clock import RealClock, VirtualClock
from sim.completion import TRIES, Reaper
from sim.gate import Gate
from sim.interrupt import Coalescing, Interrupt
from sim.request import Delivery
from sim.ring import CompletionRing, Echo, SubmissionRing
from sim.statistics import Counters


class Owner(Submittable):
    """Whose completion is on the ring. Each call of `complete` raises the next of `errors`, until none is left."""

    def __init__(
        self,
        name: str,
        told: list[str],
        *errors: BaseException,
        begins: bool = False,
        answers: Delivery | None = None,
    ) -> None:
        self.op = "echo"
        self.error: BaseException | None = None
        self.started_ns = self.submitted_ns = self.finished_ns = 0
        self.completed = False
        self._name = name
        self._told = told
        self._errors = list(errors)
        self._begins = begins
        """Whether `complete` has begun when it raises."""
        self._answers = answers

    def complete(self) -> Delivery | None:
        self._told.append(self._name)
        self.completed = self._begins
        if self._errors:
            raise self._errors.pop(0)
        self.completed = True
        return self._answers


class Together(Owner):
    """An owner of a kind that is told in one call."""

    raises: BaseException | None = None

    @staticmethod
    def complete_all(batch: list[Together], report: Callable[[Together, object], object]) -> None:
        batch[0]._told.append("".join(owner._name for owner in batch))
        if batch[0].raises is not None:
            raise batch[0].raises


class Line:
    """A reaper with what it needs. In real time this thread is the worker's, as far as the reaper can tell."""

    def __init__(self, *, real: bool, now_ns: int = 0) -> None:
        self.ring = SubmissionRing(16)
        self.completions = CompletionRing(16)
        self.interrupt = Interrupt(Coalescing())
        self.counters = Counters(0)
        clock = RealClock() if real else VirtualClock(now_ns)
        self.gate = Gate()
        self.reaper = Reaper(self.ring, self.completions, self.interrupt, self.counters, clock, self.gate)

    def put(self, *entries: Owner | Echo) -> None:
        """They have completed."""
        self.completions.entries.extend(entries)  # type: ignore[arg-type]
        self.completions.echoes += sum(isinstance(entry, Echo) for entry in entries)
        self.ring.tail += sum(isinstance(entry, Owner) for entry in entries)

    def check_empty(self) -> None:
        """All were told, and hold no slot."""
        assert not self.completions.entries
        assert (self.completions.reaped, self.completions.echoes, self.ring.outstanding) == (0, 0, 0)
        assert self.reaper.untold_slots == 0


class Notes:
    """A hook that keeps what it is told for the trace. A reaper calls nothing else of it."""

    def __init__(self) -> None:
        self.notes: list[tuple[str, object]] = []

    def note(self, what: str, request: object = None, detail: str = "") -> None:
        self.notes.append((what, request))


def test_all_that_were_told_in_one_call_are_counted() -> None:
    told: list[str] = []
    line = Line(real=True)
    line.put(Together("a", told), Together("b", told))
    assert line.reaper.reap() == 2
    assert told == ["ab"]
    assert line.completions.taken == line.counters.completed == line.counters.by_op["echo"] == 2
    line.check_empty()


@pytest.mark.parametrize("real", [False, True])
def test_second_completions_are_told_and_counted_and_noted(real: bool) -> None:
    told: list[str] = []
    hook = Notes()
    line = Line(real=real)
    line.gate.hook = hook  # type: ignore[assignment]
    owner = Owner("a", told)
    line.put(owner, Echo(owner), Echo(owner))
    assert line.reaper.reap() == 3
    assert told == ["a", "a", "a"]
    assert hook.notes == [("wake", owner), ("duplicate", owner), ("duplicate", owner)]
    assert (line.completions.taken, line.counters.completed, line.counters.spurious) == (3, 1, 2)
    line.check_empty()


class Interrupted(Counter[str]):
    """Counts by operation. A Ctrl-C comes after the next update."""

    armed = False

    def update(self, *args: Any, **more: Any) -> None:
        super().update(*args, **more)
        if Interrupted.armed:
            Interrupted.armed = False
            raise KeyboardInterrupt


def test_a_ctrl_c_while_a_batch_is_counted_counts_nothing_twice() -> None:
    told: list[str] = []
    line = Line(real=False)
    owners = [Owner("a", told), Owner("b", told)]
    owners[1].op = "sha256"
    line.put(*owners)
    line.counters.by_op = Interrupted()
    Interrupted.armed = True
    with pytest.raises(KeyboardInterrupt):
        line.reaper.reap()
    assert told == []
    assert line.reaper.reap() == 2
    assert told == ["a", "b"]
    assert line.counters.by_op == {"echo": 1, "sha256": 1}
    assert line.counters.completed == 2
    line.check_empty()


@pytest.mark.parametrize("delivery", [Delivery.ORPHANED, Delivery.SPURIOUS])
def test_a_completion_for_nobody_is_noted_as_what_it_was(delivery: Delivery) -> None:
    hook = Notes()
    line = Line(real=False)
    line.gate.hook = hook  # type: ignore[assignment]
    owner = Owner("a", [], answers=delivery)
    line.put(owner)
    line.reaper.reap()
    assert hook.notes == [("wake", owner), (delivery.name.lower(), owner)]
    assert (line.counters.completed, line.counters.orphaned, line.counters.by_op["echo"]) == (0, 1, 0)


def test_a_second_completion_of_what_nobody_wanted_is_no_second_orphan() -> None:
    hook = Notes()
    line = Line(real=False)
    line.gate.hook = hook  # type: ignore[assignment]
    owner = Owner("a", [], answers=Delivery.ORPHANED)
    line.put(owner, Echo(owner))
    assert line.reaper.reap() == 2
    assert (line.counters.orphaned, line.counters.spurious) == (1, 1)


def test_the_interrupt_is_noted_with_the_longest_time_that_it_took() -> None:
    hook = Notes()
    line = Line(real=False, now_ns=1_000)
    line.gate.hook = hook  # type: ignore[assignment]
    for entered_ns, longest_ns in ((900, 100), (300, 700), (800, 700)):
        line.put(Owner("a", []))
        line.reaper.handle_interrupt(entered_ns)
        assert line.counters.longest_interrupt_ns == longest_ns
        line.check_empty()
    assert [what for what, _ in hook.notes] == ["interrupt", "wake"] * 3


def test_what_an_owner_raises_is_reported_and_the_others_are_told(reported: list[BaseException]) -> None:
    told: list[str] = []
    line = Line(real=False)
    error = ValueError("of the owner")
    line.put(Owner("a", told, error), Owner("b", told))
    assert line.reaper.reap() == 2
    assert (told, reported, line.counters.handler_errors) == (["a", "b"], [error], 1)


def test_what_a_call_for_all_raises_is_reported_once_and_they_are_told(reported: list[BaseException]) -> None:
    told: list[str] = []
    space: list[int] = []
    line = Line(real=True)
    line.reaper.attach(space.append, polled=False)
    owner = Together("a", told)
    owner.raises = ValueError("of all")
    line.put(owner)
    assert line.reaper.reap() == 1
    assert (told, space, reported) == (["a"], [1], [owner.raises])
    line.check_empty()


def test_a_ctrl_c_before_an_owner_begins_has_it_told_again_and_comes_out_at_the_end() -> None:
    told: list[str] = []
    line = Line(real=False)
    line.put(Owner("a", told), Owner("b", told, KeyboardInterrupt()), Owner("c", told))
    with pytest.raises(KeyboardInterrupt):
        line.reaper.reap()
    assert told == ["a", "b", "b", "c"]
    line.check_empty()


def test_a_ctrl_c_after_an_owner_has_begun_tells_it_no_second_time() -> None:
    told: list[str] = []
    line = Line(real=False)
    line.put(Owner("a", told, KeyboardInterrupt(), begins=True), Owner("b", told))
    with pytest.raises(KeyboardInterrupt):
        line.reaper.reap()
    assert told == ["a", "b"]
    line.check_empty()


@pytest.mark.parametrize("error", [MemoryError, RecursionError])
def test_a_lack_of_memory_in_the_users_thread_comes_out_at_once_and_the_next_reap_goes_on(
    error: type[BaseException],
) -> None:
    told: list[str] = []
    line = Line(real=False)
    line.put(Owner("a", told), Owner("b", told, error()), Owner("c", told))
    with pytest.raises(error):
        line.reaper.reap()
    assert told == ["a", "b"]
    assert line.completions.reaped == len(line.completions.entries) == 2
    assert line.reaper.reap() == 2
    assert told == ["a", "b", "b", "c"]
    line.check_empty()


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, RecursionError])
def test_the_worker_tells_an_owner_so_often_again_and_no_more(
    error: type[BaseException], reported: list[BaseException]
) -> None:
    """Each owner has as many tries. After that the worker ends by the exception, which fails all that waits."""
    told: list[str] = []
    line = Line(real=True)
    tries = [error() for _ in range(TRIES)]
    line.put(Owner("a", told, *tries), Owner("b", told, *tries))
    assert line.reaper.reap() == 2
    assert told == ["a"] * (TRIES + 1) + ["b"] * (TRIES + 1)
    line.check_empty()
    told.clear()
    line.put(Owner("a", told, *tries, error()), Owner("b", told))
    with pytest.raises(error):
        line.reaper.reap()
    assert told == ["a"] * (TRIES + 1)
    assert line.completions.reaped == len(line.completions.entries) == 2
    assert line.reaper.reap() == 2
    assert told[TRIES + 1 :] == ["a", "b"]
    line.check_empty()
    assert reported == []


def test_listeners_that_a_ctrl_c_kept_from_being_told_of_slots_are_told_by_the_next_reap() -> None:
    told: list[str] = []
    space: list[int] = []
    line = Line(real=False)

    def on_space(slots: int) -> None:
        space.append(slots)
        if len(space) == 1:
            raise KeyboardInterrupt

    line.reaper.attach(on_space, polled=False)
    line.put(Owner("a", told), Owner("b", told))
    with pytest.raises(KeyboardInterrupt):
        line.reaper.reap()
    assert line.reaper.untold_slots == 2
    line.put(Owner("c", told))
    assert line.reaper.reap() == 1
    assert space == [2, 3]
    line.check_empty()


@pytest.mark.parametrize("real", [False, True])
def test_a_ctrl_c_of_who_asked_for_completions_comes_out_in_virtual_time_and_he_is_told_again(
    real: bool, reported: list[BaseException]
) -> None:
    """In real time this is the worker's thread, so the exception is the function's own: reported, and no more."""
    asked: list[int] = []
    line = Line(real=real)
    line.reaper.attach(lambda slots: None, polled=True)

    def fn() -> None:
        asked.append(line.interrupt.pending)
        if len(asked) == 1:
            raise KeyboardInterrupt

    line.interrupt.ask(fn)
    line.interrupt.pend(5, 2)
    if real:
        line.reaper.interrupt_if_due(5)
        assert (asked, line.interrupt.pending, len(reported)) == ([2], 0, 1)
    else:
        with pytest.raises(KeyboardInterrupt):
            line.reaper.interrupt_if_due(5)
        line.reaper.interrupt_if_due(5)
        assert (asked, line.interrupt.pending, reported) == ([2, 2], 0, [])
    assert line.interrupt.fired == 0
