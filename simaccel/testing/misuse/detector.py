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
    """What the detector has found so far."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    @property
    def reports(self) -> list[MisuseReport]:
        """The reports, in the order in which the misuse was found. What was left behind is found at the end."""
        return self._rules.reports

    def __repr__(self) -> str:
        counts = Counter(report.kind.value for report in self.reports)
        found = ", ".join(f"{kind} ({count})" for kind, count in counts.items())
        return f"<Misuse: {found or 'nothing found'}>"

    def of(self, kind: Kind) -> list[MisuseReport]:
        """The reports of one kind."""
        return [report for report in self.reports if report.kind is kind]

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Inside the `with`, nothing is watched. For code that does something wrong on purpose."""
        before, self._rules.off = self._rules.off, True
        try:
            yield
        finally:
            self._rules.off = before

    def waiting(self) -> list[str]:
        """The jobs that are paused now, each with its history, to find out where a program hangs. Any thread."""
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
    """Inside the `with`, watch every wait context and job, of the code under test and of all engines.

    At the end, it also looks for what was left behind. Then it raises MisuseError if anything was found, unless
    `raises` is False or another exception is being raised.

    - `ignore`: kinds of misuse that are not reported.
    - `busy_after`: this many resumes of one job while nothing else moves count as a busy loop. With `stop_busy` the
      last of these resumes raises MisuseError, so that the loop ends.

    Wait contexts that were made before are watched too, but it is no misuse that they stay open. Don't measure times
    inside: a pause that is watched costs about ten times as much. Raises UsageError for bad arguments.
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
