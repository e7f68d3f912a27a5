"""Models that are written wrongly, or not deterministic, are reported as such."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from simaccel.testing import (
    ModelError,
    NondeterministicError,
    Run,
    Schedule,
    explore,
    replay,
)
from simaccel.testing.exploration.actor import Body
from tests.testing.simple_models import lost_update


def test_a_nondeterministic_model_is_reported_with_the_first_difference() -> None:
    runs = itertools.count()

    def model(run: Run) -> None:
        extra = next(runs) % 2

        def actor() -> Body:
            yield "one"
            if extra:
                yield "two"

        run.actor("actor", actor)

    with pytest.raises(NondeterministicError, match="ended after 2 steps with None the first time, and after 3"):
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


@pytest.mark.parametrize("model", [None, 5, "tests.model"])
def test_what_is_no_function_is_refused_as_a_model(model: Any) -> None:
    for call in (explore, lambda model: replay(model, Schedule("some", 0, ()))):
        with pytest.raises(ModelError, match=f"{model!r} is not a model: give a function"):
            call(model)
