"""`detect_misuse`: watches all wait contexts and jobs for a time, and reports what is done wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from engine.errors import UsageError
from simaccel.testing.misuse.observers import observing
from simaccel.testing.misuse.report import Kind, MisuseError, MisuseReport
from simaccel.testing.misuse.rules import Rules


class Misuse:
    """What was found so far."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @property
    def reports(self) -> list[MisuseReport]:
        """In the order in which they were found. What was left behind is found at the end."""
        return self._rules.reports

    def __repr__(self) -> str:
        counts = Counter(report.kind.value for report in self.reports)
        found = ", ".join(f"{kind} ({count})" for kind, count in counts.items())
        return f"<Misuse: {found or 'nothing found'}>"

    def of(self, kind: Kind) -> list[MisuseReport]:
        """Those of one kind."""
        return [report for report in self.reports if report.kind is kind]

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Inside, nothing is watched: for code that does wrong on purpose."""
        before, self._rules.off = self._rules.off, True
        try:
            yield
        finally:
            self._rules.off = before

    def waiting(self) -> list[str]:
        """The jobs that are paused now, each with its history: to find out where it hangs. Any thread."""
        return self._rules.waiting()

    def check(self) -> None:
        """Raise MisuseError if anything was found."""
        if self.reports:
            raise MisuseError(self.reports)


def check_ignored(ignore: object) -> None:
    """Raises UsageError unless it is a collection of kinds."""
    if not isinstance(ignore, Collection) or not all(isinstance(kind, Kind) for kind in ignore):
        raise UsageError(f"ignore={ignore!r}: use a collection of members of Kind, such as [Kind.RESUMED_BLINDLY]")


@contextmanager
def detect_misuse(
    *,
    ignore: Collection[Kind] = (),
    busy_after: int = 100,
    raises: bool = True,
    stop_busy: bool = False,
    strict: bool = False,
) -> Iterator[Misuse]:
    """Inside, every wait context and job is watched, of the code under test and of engines, ours or not.

    At the end, what was left behind is looked for; then MisuseError is raised if anything was found, unless `raises` is
    False or another exception is on its way. `ignore` leaves kinds out. `busy_after`: so many resumes of one job while
    nothing else moves are a busy loop; with `stop_busy` the last of them raises MisuseError, so that it ends. Of
    contexts made before, what is seen now is judged, but not that they stay open. Not for measuring: a watched pause
    costs some ten times as much. UsageError for bad arguments.
    """
    if not isinstance(busy_after, int) or isinstance(busy_after, bool) or busy_after < 1:
        raise UsageError(f"busy_after={busy_after!r}: use a whole number of at least 1")
    check_ignored(ignore)
    rules = Rules(ignore, busy_after, stop_busy, strict)
    misuse = Misuse(rules)
    with observing(rules):
        yield misuse
        rules.finish()
    if raises:
        misuse.check()
