"""The choosers decide where a run goes: `Path` through the tree of decisions, depth first, `FollowSchedule` where a
schedule says. `Prefix` is for shrinking."""

from __future__ import annotations

from simaccel.testing.exploration.actor import CHOICE, Mark
from simaccel.testing.exploration.errors import NondeterministicError, ScheduleError
from simaccel.testing.exploration.run import Run


class Path:
    """A path through the tree of decisions, depth first. The first run takes option 0 everywhere. `advance` goes on to
    the next path, which differs as late as possible.

    Each run replays its path from the start. If the options differ from the last time, the model isn't deterministic.
    """

    __slots__ = ("_at", "preemptions", "taken", "tree")

    def __init__(self, preemptions: int | None) -> None:
        self.preemptions = preemptions
        self.taken: list[int] = []
        self.tree: list[tuple[Mark, ...]] = []
        self._at = 0

    def take(self, options: tuple[Mark, ...], run: Run) -> int:
        at = self._at
        self._at = at + 1
        if at < len(self.taken):
            if self.tree[at] != options:
                raise NondeterministicError(difference(at, self.tree[at], options))
            return self.taken[at]
        self.taken.append(0)
        self.tree.append(options)
        return 0

    def check_end(self) -> None:
        """Raises NondeterministicError unless the run that has just ended used every decision of the path."""
        if self._at < len(self.taken):
            raise NondeterministicError(difference(self._at, self.tree[self._at], ()))

    def advance(self) -> bool:
        """Go on to the next path. Returns False if all paths were taken."""
        self._at = 0
        taken, tree = self.taken, self.tree
        while taken and taken[-1] + 1 >= len(tree[-1]):
            taken.pop()
            tree.pop()
        if not taken:
            return False
        taken[-1] += 1
        return True

    def rewind(self) -> None:
        """Go back to the start, to run the same path again."""
        self._at = 0


class Prefix:
    """Takes the given decisions as long as there are any and they are possible, and option 0 after that. For
    shrinking."""

    __slots__ = ("_wanted", "preemptions", "taken", "widths")

    def __init__(self, wanted: list[int], preemptions: int | None) -> None:
        self.preemptions = preemptions
        self.taken: list[int] = []
        self.widths: list[int] = []
        self._wanted = wanted

    def take(self, options: tuple[Mark, ...], run: Run) -> int:
        at = len(self.taken)
        index = self._wanted[at] if at < len(self._wanted) else 0
        if index >= len(options):
            index = 0
        self.taken.append(index)
        self.widths.append(len(options))
        return index


class FollowSchedule:
    """Follows the steps of a schedule exactly. Raises ScheduleError if the model can't."""

    __slots__ = ("_steps", "preemptions")

    def __init__(self, steps: tuple[Mark, ...]) -> None:
        self.preemptions: int | None = None
        self._steps = steps

    def take(self, options: tuple[Mark, ...], run: Run) -> int:
        at = len(run.marks)
        self.check_so_far(run.marks)
        if at >= len(self._steps):
            raise ScheduleError(f"the schedule ends after step {at}, but the model goes on: {shown(options)} can come")
        try:
            return options.index(self._steps[at])
        except ValueError:
            raise ScheduleError(
                f"the schedule does not fit the model: its step {at + 1} is {shown((self._steps[at],))}, "
                f"but the model can only take {shown(options)} there; the model was changed, or it is another one"
            ) from None

    def check_so_far(self, marks: list[Mark]) -> None:
        """Check that the steps that needed no decision are those of the schedule too. Raises ScheduleError."""
        for at, (mark, step) in enumerate(zip(marks, self._steps, strict=False), 1):
            if mark != step:
                raise ScheduleError(
                    f"the schedule does not fit the model: its step {at} is {shown((step,))}, but the model took "
                    f"{shown((mark,))}; the model was changed, or it is another one"
                )


def shown(marks: tuple[Mark, ...]) -> str:
    """Steps as text for messages."""
    return " or ".join(label if actor == CHOICE else f"{actor}: {label}" for actor, label in marks) or "nothing"


def difference(at: int, before: tuple[Mark, ...], now: tuple[Mark, ...]) -> str:
    """The message about a model that had other options the second time."""
    return (
        f"the model is not deterministic: at decision {at + 1} of the same schedule the next step could be "
        f"{shown(before)} the first time, and {shown(now)} the second; make all objects anew in each run, and let "
        "no order depend on time, randomness, a set or an id"
    )
