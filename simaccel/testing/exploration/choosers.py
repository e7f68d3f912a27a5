"""The choosers: a path through the tree of decisions, depth first; and one that follows a schedule."""

from __future__ import annotations

from simaccel.testing.exploration.actor import CHOICE, Mark
from simaccel.testing.exploration.errors import NondeterministicError, ScheduleError
from simaccel.testing.exploration.run import Run


class Path:
    """Depth first: the first run takes option 0 everywhere; `advance` goes on to the next path, from the end back.

    A path is replayed from the start each time; where the options differ from the last time, the model isn't
    deterministic.
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
        """After a run: it must have used every decision of the path. Raises NondeterministicError otherwise."""
        if self._at < len(self.taken):
            raise NondeterministicError(difference(self._at, self.tree[self._at], ()))

    def advance(self) -> bool:
        """To the next path. False if all were taken."""
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
        """Run the same path again."""
        self._at = 0


class Prefix:
    """Takes given decisions, as far as they go and fit, and option 0 everywhere else. For shrinking."""

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


class Recorded:
    """Follows the steps of a schedule to the letter. ScheduleError where the model can't."""

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
                f"but what can come there is {shown(options)}; the model was changed, or it is another one"
            ) from None

    def check_so_far(self, marks: list[Mark]) -> None:
        """The steps that needed no decision must be the schedule's too."""
        for at, (mark, step) in enumerate(zip(marks, self._steps, strict=False), 1):
            if mark != step:
                raise ScheduleError(
                    f"the schedule does not fit the model: its step {at} is {shown((step,))}, but there came "
                    f"{shown((mark,))}; the model was changed, or it is another one"
                )


def shown(marks: tuple[Mark, ...]) -> str:
    """Steps in words."""
    return " or ".join(label if actor == CHOICE else f"{actor}: {label}" for actor, label in marks) or "nothing"


def difference(at: int, before: tuple[Mark, ...], now: tuple[Mark, ...]) -> str:
    """The message on a model that went two ways."""
    return (
        f"the model is not deterministic: at decision {at + 1} of one and the same schedule there could come "
        f"{shown(before)} the first time, and {shown(now)} the second; make everything anew in each run, and take "
        "no order from time, randomness, a set or an id"
    )
