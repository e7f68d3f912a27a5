"""`explore` runs a model under every schedule, up to a bound on preemptions. `replay` runs a schedule that failed.

The number of schedules grows exponentially with the number of preemptions, but most bugs of this kind need only one or
two (CHESS, OSDI 2008). So there is a bound. Within it, nothing is left out, and nothing is random.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from simaccel.testing.exploration.choosers import FollowSchedule, Path, Prefix
from simaccel.testing.exploration.diagram import diagram
from simaccel.testing.exploration.errors import ModelError, NondeterministicError, ScheduleError
from simaccel.testing.exploration.failure import ScheduleFailure
from simaccel.testing.exploration.run import Chooser, Model, Run
from simaccel.testing.exploration.schedule import Schedule
from simaccel.testing.exploration.shrink import RunOutcome, shrink
from simaccel.testing.exploration.stepped import stepped

SHRINK_RUNS = 2_000
GARBAGE = 10_000
"""How many objects may pile up before the garbage collector runs, which it does only between two runs."""


@dataclass(frozen=True, slots=True)
class Exploration:
    """What an exploration has covered, if nothing failed."""

    model: str
    preemptions: int
    schedules: int
    """How many schedules were run. They all differ."""
    steps: int
    """How many steps all schedules have together."""
    complete: bool
    """Whether these were all schedules. False if `max_schedules` ended the exploration."""


def explore(
    model: Model,
    preemptions: int = 2,
    *,
    max_schedules: int | None = None,
    max_steps: int = 10_000,
    save: str | os.PathLike[str] | None = None,
) -> Exploration:
    """Run the model under every schedule with at most this many preemptions. Blocks until that is done. One thread.

    If a schedule fails, this shrinks it and raises ScheduleFailure, an AssertionError that shows it. `save` is a file
    to which the schedule is written, for `replay`. A picture (.svg) and a file for Perfetto (.pftrace) are written
    beside it.

    Raises NondeterministicError if the same schedule takes the model to different steps, and ModelError if the model is
    not a function or has no actor. `max_schedules` ends the exploration early. `max_steps` is the limit for one run.
    """
    _whole("preemptions", preemptions, 0)
    _whole("max_steps", max_steps, 1)
    if max_schedules is not None:
        _whole("max_schedules", max_schedules, 1)
    name = model_name(model)
    path = Path(preemptions)
    schedules = steps = 0
    with _stepping(model) as attached:
        while True:
            outcome = _play(model, path, path.taken, max_steps, attached)
            if not schedules and outcome.error is None:
                # Run the first path twice. If paths were run only once, we could not see that a model is not
                # deterministic.
                _twice(model, path, outcome, max_steps, attached)
            schedules += 1
            steps += len(outcome.marks)
            if outcome.error is not None:
                raise _failure(name, model, outcome, schedules, preemptions, max_steps, save, attached)
            path.check_end()
            if not path.advance():
                return Exploration(name, preemptions, schedules, steps, True)
            if max_schedules is not None and schedules >= max_schedules:
                return Exploration(name, preemptions, schedules, steps, False)


def replay(model: Model, schedule: Schedule | str | os.PathLike[str], *, max_steps: int = 10_000) -> None:
    """Run the model under this schedule, or under the schedule of this file. If it still fails, this raises what
    `explore` raises. If it passes, the bug is gone. Raises ScheduleError if the schedule does not fit the model.
    """
    if not isinstance(schedule, Schedule):
        schedule = Schedule.load(schedule)
    chooser = FollowSchedule(schedule.steps)
    with _stepping(model) as attached:
        outcome = _play(model, chooser, [], max_steps, attached)
    if isinstance(outcome.error, ScheduleError):
        raise outcome.error
    if outcome.error is not None:
        again = Schedule(model_name(model), outcome.preemptions, tuple(outcome.marks))
        shown = diagram(outcome.marks, _reason(outcome.error))
        raise ScheduleFailure(_reason(outcome.error), again, shown, 1, None) from outcome.error
    chooser.check_so_far(outcome.marks)
    if len(outcome.marks) != len(schedule.steps):
        raise ScheduleError(
            f"the schedule does not fit the model: it has {len(schedule.steps)} steps, and the model ended after "
            f"{len(outcome.marks)}; the model was changed, or it no longer fails as it did"
        )


def run_with(model: Model, chooser: Chooser, max_steps: int = 10_000) -> None:
    """Run the model once, with this chooser. Raises ScheduleFailure."""
    with _stepping(model) as attached:
        outcome = _play(model, chooser, [], max_steps, attached)
    if outcome.error is not None:
        shown = diagram(outcome.marks, _reason(outcome.error))
        schedule = Schedule(model_name(model), outcome.preemptions, tuple(outcome.marks))
        raise ScheduleFailure(_reason(outcome.error), schedule, shown, 1, None) from outcome.error


def model_name(model: Model) -> str:
    """The model's module and name, for messages and schedule files."""
    named: Any = model if hasattr(model, "__qualname__") else type(model)
    return f"{named.__module__}.{getattr(model, 'name', None) or named.__qualname__}"


@contextmanager
def _stepping(model: Model) -> Iterator[list[Run | None]]:
    """Inside the `with`, the statements of `model.step_into` are steps of the run in the cell that is yielded."""
    if not callable(model):
        raise ModelError(f"{model!r} is not a model: give a function, or an object with __call__, that takes the run")
    targets: Iterable[object] = getattr(model, "step_into", ())
    cell: list[Run | None] = [None]
    with stepped(targets, cell), _no_collector():
        yield cell


@contextmanager
def _no_collector() -> Iterator[None]:
    """Inside the `with`, no garbage is collected. Otherwise a job that an earlier run has dropped could be closed in
    the middle of another run, and take steps in it."""
    was_enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.disable()
    if not frozen:
        gc.freeze()  # so that it costs little to collect what a run leaves
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        if was_enabled:
            gc.enable()


def _play(model: Model, chooser: Chooser, taken: list[int], max_steps: int, cell: list[Run | None]) -> RunOutcome:
    run = Run(chooser, max_steps)
    error: Exception | None = None
    cell[0] = run
    try:
        try:
            model(run)
            if not run.actors:
                raise ModelError(f"{model_name(model)} has no actor: call run.actor(name, function) in it")
        except BaseException:
            run.abandon()
            raise
        try:
            run.play()
        except ModelError:
            raise
        except Exception as raised:
            error = raised
    finally:
        cell[0] = None
        if error is not None or gc.get_count()[0] > GARBAGE:
            gc.collect()
    return RunOutcome(taken, [], run.preemptions, run.marks, error)


def _twice(model: Model, path: Path, first: RunOutcome, max_steps: int, cell: list[Run | None]) -> None:
    path.rewind()
    second = _play(model, path, path.taken, max_steps, cell)
    path.check_end()
    _compare(first, second)


def _compare(first: RunOutcome, second: RunOutcome) -> None:
    """Raises NondeterministicError unless two runs of a schedule took the same steps and ended in the same way."""
    for at, (one, other) in enumerate(zip(first.marks, second.marks, strict=False), 1):
        if one != other:
            raise NondeterministicError(
                f"the model is not deterministic: step {at} of the same schedule was {': '.join(one)} the first "
                f"time, and {': '.join(other)} the second; make all objects anew in each run, and let no order depend "
                "on time, randomness, a set or an id"
            )
    if len(first.marks) != len(second.marks) or type(first.error) is not type(second.error):
        raise NondeterministicError(
            f"the model is not deterministic: the same schedule ended after {len(first.marks)} steps with "
            f"{first.error!r} the first time, and after {len(second.marks)} with {second.error!r} the second"
        )


def _failure(
    name: str,
    model: Model,
    found: RunOutcome,
    schedules: int,
    preemptions: int,
    max_steps: int,
    save: str | os.PathLike[str] | None,
    cell: list[Run | None],
) -> ScheduleFailure:
    def attempt(decisions: list[int]) -> RunOutcome:
        chooser = Prefix(decisions, preemptions)
        return _play(model, chooser, chooser.taken, max_steps, cell)._replace(widths=chooser.widths)

    again = attempt(list(found.taken))
    _compare(found, again)
    best = shrink(again, attempt, SHRINK_RUNS)
    schedule = Schedule(name, best.preemptions, tuple(best.marks))
    assert best.error is not None
    reason = _reason(best.error)
    failure = ScheduleFailure(
        reason, schedule, diagram(best.marks, reason), schedules, None if save is None else os.fspath(save)
    )
    failure.__cause__ = best.error
    if save is not None:
        failure.save_all(save)
    return failure


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ModelError(f"{name}={value!r}: use a whole number of at least {least}")
