"""One run of a model: its actors take turns, one step at a time, in the order that a chooser picks.

Rules, as in loom (`src/rt/execution.rs`, `path.rs`):

- A step is what an actor does between two places where it gives way to others. Nothing else runs during a step.
- The actor that took the last step may always go on. If another one goes on although this one could, that is a
  preemption, and a run has at most `preemptions` of them. If it can't go on, because it waits, has ended or spins, any
  other actor may, and that is no preemption.
- An actor that waits is not ready until its condition holds. One that spins is not ready until another one has moved.
- If no actor is ready, but one has not ended, the run is stuck. If actors only spin, or take too many steps, the run is
  endless.

There is no thread. A generator gives way with `yield`. A plain function runs on a greenlet, and gives way with
`run.step`, `run.wait` and `run.spin`, from any call depth. For the code under test each actor is a thread of its own,
with jobs of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from greenlet import GreenletExit, getcurrent

from engine.jobs.thread import LOCAL
from simaccel.testing.exploration.actor import CHOICE, Actor, Mark, Spin, Wait
from simaccel.testing.exploration.errors import EndlessError, ModelError, StuckError

Option = TypeVar("Option")
MAX_SPINS = 100
"""How often an actor may spin while no other actor can move."""


class Chooser(Protocol):
    """Decides what happens next, wherever a run can go on in several ways."""

    preemptions: int | None

    def take(self, options: tuple[Mark, ...], run: Run) -> int:
        """Return the index of the option to take. There are at least two. Option 0 goes on with the same actor."""
        ...


class Model(Protocol):
    """A function that sets up a run. It calls `run.actor(...)` for each actor, and may call `run.always(...)` and
    `run.at_end(...)`.

    It is called for every schedule, and must make all objects anew each time. It may have an attribute `step_into`:
    modules, classes or functions of the code under test, in which every statement becomes a step.
    """

    def __call__(self, run: Run, /) -> object: ...


class Run:
    """One run. A model gets it, adds its actors and checks to it, and gives way with its methods."""

    def __init__(self, chooser: Chooser, max_steps: int = 10_000) -> None:
        self._chooser = chooser
        self._bound = chooser.preemptions if chooser.preemptions is not None else max_steps
        self._max_steps = max_steps
        self._actors: list[Actor] = []
        self._always: list[Callable[[], object]] = []
        self._at_end: list[Callable[[], object]] = []
        self._cleanups: list[Callable[[], object]] = []
        self._current: Actor | None = None
        self._next: Actor | None = None
        self._hub = getcurrent()
        self._broken: Exception | None = None
        self._spins = 0
        self._over = False
        self.preemptions = 0
        """How many preemptions there were so far."""
        self.marks: list[Mark] = []
        """The steps and choices taken so far."""

    # Setting up

    def actor(self, name: str, body: Callable[..., Any], *args: Any, daemon: bool = False) -> None:
        """Add an actor that runs body(*args). `body` is a generator function or a plain function. A daemon need not
        end."""
        if any(actor.name == name for actor in self._actors) or name == CHOICE:
            raise ModelError(f"two actors are called {name!r}: give each a name of its own")
        actor = Actor(name, body, args, daemon)
        self._actors.append(actor)

    def always(self, check: Callable[[], object]) -> None:
        """Call check() after every step. It must raise if an invariant is broken, and must change nothing."""
        self._always.append(check)

    def at_end(self, check: Callable[[], object]) -> None:
        """Call check() once all actors have ended."""
        self._at_end.append(check)

    def cleanup(self, fn: Callable[[], object]) -> None:
        """Call fn() when the run is over, however it ended. What was added last is called first."""
        self._cleanups.append(fn)

    # Giving way, from a plain function and from what it calls

    def step(self, label: str) -> None:
        """Give way to other actors. The step called `label` begins when this returns. Does nothing in a generator."""
        actor = self._current
        if actor is None or self._over or actor.body is not None:
            return
        actor.at = (actor.name, label)
        self._give_way(actor)

    def wait(self, label: str, condition: Callable[[], object]) -> None:
        """Give way until condition() holds."""
        if self._over:
            raise GreenletExit
        actor = self._here(label)
        actor.at = (actor.name, label)
        actor.condition = condition
        self._give_way(actor)

    def spin(self, label: str) -> None:
        """Give way to other actors, and go on when one of them has moved."""
        if self._over:
            raise GreenletExit
        actor = self._here(label)
        actor.at = (actor.name, label)
        actor.spinning = True
        self._give_way(actor)

    def choose(self, question: str, options: Sequence[Option]) -> Option:
        """Return one of the options. Each of them is explored. This is no preemption, and no step."""
        if not options:
            raise ModelError(f"nothing to choose from for {question!r}")
        if len(options) == 1 or self._over:
            return options[0]
        marks = tuple((CHOICE, f"{question} = {option}") for option in options)
        try:
            index = self._chooser.take(marks, self)
        except Exception as error:
            self._break_off(error)
            raise
        self.marks.append(marks[index])
        return options[index]

    @property
    def actors(self) -> list[str]:
        """The names of the actors, in the order in which they were added."""
        return [actor.name for actor in self._actors]

    @property
    def stepping(self) -> bool:
        """Whether an actor runs now that can give way from any call depth."""
        return not self._over and self._current is not None and self._current.body is None

    @property
    def over(self) -> bool:
        """Whether the run has ended, so that what runs now only cleans up."""
        return self._over

    # Running

    def play(self) -> None:
        """Run to the end. Raises what an actor or a check has raised, StuckError or EndlessError."""
        state = LOCAL.state
        try:
            self._play()
        finally:
            try:
                self._end()
            finally:
                LOCAL.state = state

    def _play(self) -> None:
        while (actor := self._next or self._decide()) is not None:
            self._next = None
            self._advance(actor)
            self._check()
        self._current = None
        for check in self._at_end:
            check()

    def abandon(self) -> None:
        """Clean up without a run, because the model raised while it set up the run."""
        self._end()

    def _advance(self, actor: Actor) -> None:
        """Let an actor go on: a generator for one step, a greenlet for as many steps as it takes in a row."""
        self._current = actor
        LOCAL.state = actor.thread
        if actor.body is not None:
            try:
                given = actor.body.send(None)
            except StopIteration:
                actor.done = True
                return
            if type(given) is str:
                actor.at = (actor.name, given)
            elif isinstance(given, Wait):
                actor.at, actor.condition = (actor.name, given.label), given.condition
            elif isinstance(given, Spin):
                actor.at, actor.spinning = (actor.name, given.label), True
            else:
                raise ModelError(f"actor {actor.name!r} yielded {given!r}: yield a label, a Wait or a Spin")
            return
        assert actor.glet is not None
        assert actor.own is not None
        actor.glet.switch()
        if self._broken is not None:
            raise self._broken
        actor.done = actor.own.dead

    def _give_way(self, actor: Actor) -> None:
        """Decide which actor goes on, and switch to the hub if it is another one. Called in an actor's greenlet."""
        try:
            if self._always:
                self._check()
            # The common case first: no preemption is left, and the actor can go on.
            if self.preemptions >= self._bound and actor.condition is None and not actor.spinning:
                self._record(actor)
                return
            chosen = self._decide()
        except Exception as error:
            self._break_off(error)
            return
        if chosen is actor:
            return
        self._next = chosen
        actor.glet = getcurrent()
        self._hub.switch()

    def _break_off(self, error: Exception) -> None:
        """End the run with this error. It is the run's own, so it must not be raised in the code under test."""
        if self._current is not None and self._current.body is None:
            self._broken = error
            self._current.glet = getcurrent()
            self._hub.switch()

    def _decide(self) -> Actor | None:
        """The actor that takes the next step; None at the end of the run."""
        current = self._current
        if (current is None or current.done) and self._ended():
            return None
        others = [actor for actor in self._actors if actor is not current and actor.ready()]
        goes_on = current is not None and current.ready()
        if goes_on:
            assert current is not None
            if not others or self.preemptions >= self._bound:
                return self._record(current)
            others.insert(0, current)
        if not others:
            return self._unready()
        index = 0
        if len(others) > 1:
            index = self._chooser.take(tuple([actor.at for actor in others]), self)
            if goes_on and index:
                self.preemptions += 1
        return self._record(others[index])

    def _ended(self) -> bool:
        return all(actor.done or actor.daemon for actor in self._actors)

    def _unready(self) -> Actor:
        """No actor is ready. Return one that spins, if there is one; otherwise raise StuckError."""
        spinners = [actor for actor in self._actors if actor.spinning and not actor.done]
        if spinners:
            self._spins += 1
            if self._spins > MAX_SPINS:
                names = ", ".join(f"{actor.at[0]}: {actor.at[1]}" for actor in spinners)
                raise EndlessError(f"a busy loop, and nobody left who could end it: {names}")
            spinner = spinners[self._spins % len(spinners)]
            spinner.spinning = False
            self.marks.append(spinner.at)
            return spinner
        waiting = "; ".join(f"{actor.at[0]} waits to {actor.at[1]}" for actor in self._actors if not actor.done)
        raise StuckError(f"stuck, nobody can take a step: {waiting}")

    def _record(self, actor: Actor) -> Actor:
        """Record a step of this actor. Those that spin may look again."""
        self._spins = 0
        for other in self._actors:
            other.spinning = False
        actor.condition = None
        self.marks.append(actor.at)
        if len(self.marks) > self._max_steps:
            raise EndlessError(f"no end after {self._max_steps:,} steps; explore(..., max_steps=) takes more")
        return actor

    def _check(self) -> None:
        for check in self._always:
            check()

    def _here(self, label: str) -> Actor:
        if self._current is None:
            raise ModelError(f"run.wait or run.spin for {label!r} outside of an actor: call it in what an actor runs")
        if self._current.body is not None:
            raise ModelError(
                f"actor {self._current.name!r} is a generator: write `yield Wait(...)` or `yield Spin(...)`"
            )
        return self._current

    def _end(self) -> None:
        """End the actors that have not ended, then clean up. What they raise now is not reported."""
        self._over = True
        for actor in self._actors:
            LOCAL.state = actor.thread
            with suppress(BaseException):
                if actor.body is not None:
                    actor.body.close()
                # End the job that the actor runs, if it runs one. Then end the actor itself, if that has not ended it.
                for glet in (actor.glet, actor.own):
                    if glet and not actor.done:
                        with suppress(BaseException):
                            glet.throw(GreenletExit)
                        actor.done = actor.own is not None and actor.own.dead
        self._current = None
        self._actors.clear()
        while self._cleanups:
            self._cleanups.pop()()
