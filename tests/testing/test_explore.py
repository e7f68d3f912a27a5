"""`explore` itself: it runs every schedule within the bound, once, and says what fails."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from math import comb

import pytest

from simaccel.testing import (
    EndlessError,
    Run,
    ScheduleFailure,
    Spin,
    StuckError,
    Wait,
    explore,
)
from simaccel.testing.exploration.actor import Body
from tests.testing.simple_models import lost_update


def letters(first: int, second: int, plain: bool, seen: set[str]) -> Callable[[Run], None]:
    """Two actors that write so many letters each."""

    def model(run: Run) -> None:
        written: list[str] = []

        def generator(letter: str, times: int) -> Body:
            for _ in range(times - 1):
                written.append(letter)
                yield letter
            written.append(letter)

        def function(letter: str, times: int) -> None:
            for _ in range(times - 1):
                written.append(letter)
                run.step(letter)
            written.append(letter)

        run.actor("a", function if plain else generator, "a", first)
        run.actor("b", function if plain else generator, "b", second)
        run.at_end(lambda: seen.add("".join(written)))

    return model


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 2), (3, 2), (4, 4)])
def test_every_order_is_run_once(first: int, second: int, plain: bool) -> None:
    seen: set[str] = set()
    covered = explore(letters(first, second, plain, seen), preemptions=first + second)
    wanted = {"".join(order) for order in itertools.permutations("a" * first + "b" * second)}
    assert seen == wanted
    assert covered.schedules == len(wanted) == comb(first + second, first)
    assert covered.complete


@pytest.mark.parametrize("preemptions", range(5))
def test_the_bound_leaves_out_what_needs_more(preemptions: int) -> None:
    seen: set[str] = set()
    explore(letters(3, 3, False, seen), preemptions)
    assert seen == {
        order for order in map("".join, itertools.permutations("aaabbb")) if count_preemptions(order) <= preemptions
    }


def count_preemptions(order: str) -> int:
    """Turns away from a letter that had not ended."""
    return sum(
        now != before and order[: at + 1].count(before) < order.count(before)
        for at, (before, now) in enumerate(itertools.pairwise(order))
    )


def test_max_schedules_cuts_short_and_says_so() -> None:
    covered = explore(letters(4, 4, False, set()), 8, max_schedules=10)
    assert covered.schedules == 10
    assert not covered.complete


def test_a_choice_is_explored_and_is_no_preemption() -> None:
    seen: set[tuple[str, int]] = set()

    def model(run: Run) -> None:
        def actor() -> None:
            seen.add((run.choose("letter", "xyz"), run.choose("digit", (1, 2))))

        run.actor("actor", actor)

    assert explore(model, preemptions=0).schedules == 6
    assert seen == set(itertools.product("xyz", (1, 2)))


def test_a_failure_shows_its_schedule() -> None:
    explore(lost_update, preemptions=0)
    with pytest.raises(ScheduleFailure) as caught:
        explore(lost_update, preemptions=3)
    failure = caught.value
    assert failure.schedule.preemptions == 1
    assert failure.diagram.splitlines() == [
        "left   right",
        "-----  -----",
        "begin",
        "       begin",
        "       write",
        "write",
        "FAILS: AssertionError: the number is 1",
    ]
    assert isinstance(failure.__cause__, AssertionError)
    assert failure.diagram in str(failure)


def test_shrinking_leaves_what_is_needed() -> None:
    """Twenty idle actors besides: none of their steps is in the way of the two that matter."""

    def model(run: Run) -> None:
        state = {"opened": False}

        def opens() -> Body:
            state["opened"] = True
            yield "close"
            state["opened"] = False

        def looks() -> Body:
            yield "look"
            assert not state["opened"]

        def idle() -> Body:
            yield "nothing"

        run.actor("opens", opens)
        for number in range(3):
            run.actor(f"idle {number}", idle)
        run.actor("looks", looks)

    with pytest.raises(ScheduleFailure) as caught:
        explore(model, preemptions=3)
    steps = caught.value.schedule.steps
    assert steps == (("opens", "begin"), ("looks", "begin"), ("looks", "look"))


def test_a_lost_wake_up_is_stuck() -> None:
    def model(run: Run) -> None:
        def sleeper() -> Body:
            yield Wait("go on", lambda: False)

        run.actor("sleeper", sleeper)

    with pytest.raises(ScheduleFailure, match="sleeper waits to go on") as caught:
        explore(model)
    assert isinstance(caught.value.__cause__, StuckError)


def test_a_busy_loop_is_endless() -> None:
    def model(run: Run) -> None:
        def spinner() -> Body:
            while True:
                yield Spin("try again")

        run.actor("spinner", spinner)

    with pytest.raises(ScheduleFailure, match="spinner: try again") as caught:
        explore(model)
    assert isinstance(caught.value.__cause__, EndlessError)


def test_steps_without_end_are_endless() -> None:
    def model(run: Run) -> None:
        def runner() -> Body:
            while True:
                yield "on"

        run.actor("runner", runner)

    with pytest.raises(ScheduleFailure, match="no end after 50 steps"):
        explore(model, max_steps=50)


@pytest.mark.parametrize("plain", [False, True])
def test_a_spinner_goes_on_when_another_has_moved(plain: bool) -> None:
    def model(run: Run) -> None:
        given: list[int] = []

        def giver() -> Body:
            yield "give"
            given.append(1)

        def taker() -> Body:
            while not given:
                yield Spin("look")

        def plain_taker() -> None:
            while not given:
                run.spin("look")

        run.actor("taker", plain_taker if plain else taker)
        run.actor("giver", giver)

    assert explore(model, 5).schedules > 1


def test_always_is_checked_behind_each_step() -> None:
    def model(run: Run) -> None:
        state = [0]

        def actor() -> Body:
            state[0] = 1
            yield "back"
            state[0] = 0

        def check() -> None:
            assert state[0] == 0, "not for a moment"

        run.actor("actor", actor)
        run.always(check)

    with pytest.raises(ScheduleFailure, match="not for a moment"):
        explore(model, 0)


def test_a_failed_check_does_not_pass_through_the_code_under_test() -> None:
    def model(run: Run) -> None:
        state = [0]

        def actor() -> None:
            state[0] = 1
            try:
                run.step("swallow")
            except Exception:
                pytest.fail("the check's error came to the code under test")

        def check() -> None:
            assert state[0] == 0, "broken"

        run.actor("actor", actor)
        run.always(check)

    with pytest.raises(ScheduleFailure, match="broken"):
        explore(model, 0)


def test_a_daemon_need_not_end() -> None:
    def model(run: Run) -> None:
        def daemon() -> Body:
            while True:
                yield Wait("more", lambda: False)

        def actor() -> Body:
            yield "one"

        run.actor("daemon", daemon, daemon=True)
        run.actor("actor", actor)

    assert explore(model).complete


def test_cleanups_run_last_first_also_behind_a_failure() -> None:
    calls: list[str] = []

    def model(run: Run) -> None:
        def actor() -> None:
            try:
                run.step("on")
                raise AssertionError("fails")
            finally:
                run.step("no step any more")
                calls.append("actor")

        run.actor("actor", actor)
        run.cleanup(lambda: calls.append("first"))
        run.cleanup(lambda: calls.append("second"))

    with pytest.raises(ScheduleFailure):
        explore(model, 0)
    assert calls[:3] == ["actor", "second", "first"]
