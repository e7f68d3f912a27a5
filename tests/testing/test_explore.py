"""`explore` itself: it runs every schedule within the bound, once, and says what fails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from math import comb
from pathlib import Path

import pytest

from engine.testing import (
    EndlessError,
    ModelError,
    NondeterministicError,
    Run,
    Schedule,
    ScheduleError,
    ScheduleFailure,
    Spin,
    StuckError,
    Wait,
    explore,
    replay,
)
from engine.testing.exploration.actor import Body
from tests.testing import stepped_code


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


def lost_update(run: Run) -> None:
    """Two actors that each read a number, and write it back plus one."""
    number = [0]

    def add() -> Body:
        read = number[0]
        yield "write"
        number[0] = read + 1

    def check() -> None:
        assert number[0] == 2, f"the number is {number[0]}"

    run.actor("left", add)
    run.actor("right", add)
    run.at_end(check)


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


def test_a_saved_schedule_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "lost.schedule"
    with pytest.raises(ScheduleFailure, match=str(file)) as caught:
        explore(lost_update, preemptions=2, save=file)
    assert Schedule.load(file) == caught.value.schedule
    with pytest.raises(ScheduleFailure, match="the number is 1") as again:
        replay(lost_update, file)
    assert again.value.schedule == caught.value.schedule


def test_a_replay_that_passes_returns() -> None:
    def model(run: Run) -> None:
        run.actor("left", lambda: run.step("go"))

    replay(model, Schedule("any", 0, (("left", "begin"), ("left", "go"))))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("left", "begin"), ("left", "read")], "its step 2 is left: read"),
        ([("left", "begin"), ("left", "write")], "it has 2 steps, and the model ended behind 4"),
        ([("middle", "begin")], "its step 1 is middle: begin, but what can come there is left: begin or right: begin"),
        (
            [("left", "begin"), ("left", "write"), ("right", "begin"), ("right", "write"), ("right", "more")],
            "it has 5 steps, and the model ended behind 4",
        ),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(steps: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        replay(lost_update, Schedule("any", 0, tuple(steps)))


def test_the_text_form_goes_both_ways() -> None:
    schedule = Schedule("a.model", 2, (("left", "begin: x"), ("?", "which = 1"), ("right", "write")))
    assert Schedule.from_text(schedule.to_text()) == schedule


GOOD = Schedule("a.model", 0, (("left", "begin"),)).to_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a schedule"),
        ("hello\n", "not a schedule: it begins with 'hello'"),
        (GOOD.replace("schedule 1", "schedule 2"), "of version 2: this simaccel reads version 1"),
        (GOOD.replace("left", "right"), "check sum"),
        (GOOD.replace("left: begin\n", ""), "check sum"),
        (GOOD[: GOOD.index("end")], "cut off"),
        ("simaccel schedule 1\nend: 0 steps, crc32 00000000\n", "damaged"),
    ],
)
def test_a_damaged_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.from_text(text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScheduleError, match="not even text"):
        Schedule.load(file)


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


def test_a_nondeterministic_model_is_reported_with_the_first_difference() -> None:
    runs = itertools.count()

    def model(run: Run) -> None:
        extra = next(runs) % 2

        def actor() -> Body:
            yield "one"
            if extra:
                yield "two"

        run.actor("actor", actor)

    with pytest.raises(NondeterministicError, match="ended behind 2 steps with None the first time, and behind 3"):
        explore(model)


def test_nondeterminism_deep_in_the_tree_is_reported() -> None:
    runs = itertools.count()

    def model(run: Run) -> None:
        name = "late" if next(runs) > 4 else "early"

        def actor() -> Body:
            yield "more"

        run.actor("left", actor)
        run.actor(name, actor)

    with pytest.raises(NondeterministicError, match=r"early: begin the first time, and .*late: begin the second"):
        explore(model, 3)


def no_actor(run: Run) -> None:
    """Sets nothing up."""


def same_name(run: Run) -> None:
    run.actor("x", lambda: None)
    run.actor("x", lambda: None)


def bad_yield(run: Run) -> None:
    def actor() -> object:
        yield 7

    run.actor("x", actor)


def wait_in_generator(run: Run) -> None:
    def actor() -> Body:
        run.wait("x", lambda: True)
        yield "never"

    run.actor("x", actor)


def empty_choice(run: Run) -> None:
    run.actor("x", lambda: run.choose("which", []))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (no_actor, "has no actor"),
        (same_name, "two actors are called 'x'"),
        (bad_yield, "yielded 7"),
        (wait_in_generator, "is a generator: write `yield Wait"),
        (empty_choice, "nothing to choose from"),
    ],
)
def test_a_model_that_is_written_wrongly_is_refused(model: Callable[[Run], None], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        explore(model)


@pytest.mark.parametrize(
    "options", [{"preemptions": -1}, {"preemptions": True}, {"max_steps": 0}, {"max_schedules": 0}]
)
def test_bad_bounds_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(options))):
        explore(lost_update, **options)  # type: ignore[arg-type]


class Counting:
    """A model of code that is stepped into, statement by statement."""

    step_into = (stepped_code.Counter,)

    def __init__(self, method: str) -> None:
        self.method = method

    def __call__(self, run: Run) -> None:
        counter = stepped_code.Counter()

        def check() -> None:
            assert counter.value == 2, f"counted {counter.value}"

        run.actor("left", getattr(counter, self.method))
        run.actor("right", getattr(counter, self.method))
        run.at_end(check)


@pytest.mark.parametrize("method", ["add", "add_if"])
def test_code_that_is_stepped_into_needs_no_change_to_fail(method: str) -> None:
    before = stepped_code.Counter.add.__code__
    with pytest.raises(ScheduleFailure, match="counted 1"):
        explore(Counting(method), 1)
    assert stepped_code.Counter.add.__code__ is before


@pytest.mark.parametrize("method", ["add_under_lock", "add_acquiring", "add_yielding"])
def test_a_lock_of_stepped_code_is_waited_for_by_giving_way(method: str) -> None:
    assert explore(Counting(method), 2).schedules > 2


def test_stepped_code_still_locks_outside_of_actors() -> None:
    class Outside(Counting):
        def __call__(self, run: Run) -> None:
            stepped_code.Counter().add_under_lock()
            super().__call__(run)

    explore(Outside("add_under_lock"), 0)
    lock = threading.Lock()
    with lock:
        assert not lock.acquire(blocking=False)


def test_step_into_something_without_source_is_refused() -> None:
    class Bad(Counting):
        step_into = (7,)  # type: ignore[assignment]

    with pytest.raises(ModelError, match="step_into 7"):
        explore(Bad("add"))
