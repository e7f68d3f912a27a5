"""The interrupt: when it fires, how many completions share one (coalescing), and the mask that polling sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.errors import UsageError
from sim.unraisable import report_unraisable


@dataclass(frozen=True, slots=True)
class Coalescing:
    """The interrupt fires at `count` pending completions, or `time_ns` after the first of them, whichever comes first.

    Completions that become due in the same step of the device always share one interrupt. With the default it fires at
    each step that completes something. Raises UsageError for values that make no sense.
    """

    count: int = 1
    time_ns: int = 50_000

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or isinstance(self.count, bool) or self.count < 1:
            raise UsageError(f"coalescing count {self.count!r}: use a whole number, 1 or more")
        if not isinstance(self.time_ns, int) or isinstance(self.time_ns, bool) or self.time_ns < 0:
            raise UsageError(f"coalescing time {self.time_ns!r} ns: use a whole number of ns, 0 or more")


class Interrupt:
    """The interrupt line of a device. Belongs to the thread that steps it, except where a docstring says otherwise."""

    __slots__ = ("_coalescing", "_first_ns", "fired", "masked", "on_masked", "pending")

    def __init__(self, coalescing: Coalescing) -> None:
        self._coalescing = coalescing
        self.pending = 0
        """How many completions no interrupt has told of yet. The handler of the interrupt counts this down."""
        self._first_ns = 0
        self.fired = 0
        """How many interrupts were handled."""
        self.masked = False
        """While this is set the interrupt never fires, and completions stay on their ring until somebody polls."""
        self.on_masked: dict[Callable[[], object], None] = {}
        """The functions to call at the next completion while masked. Each is called once, even if it asked twice."""

    def pend(self, now_ns: int, count: int = 1) -> None:
        """Note that `count` more completions are on the completion ring."""
        if not self.pending:
            self._first_ns = now_ns
        self.pending += count

    def is_due(self, now_ns: int) -> bool:
        """Whether the interrupt is to be handled now; while masked, whether those who poll are to be told."""
        if not self.pending:
            return False
        coalescing = self._coalescing
        return self.masked or self.pending >= coalescing.count or now_ns >= self._first_ns + coalescing.time_ns

    def ask(self, fn: Callable[[], object]) -> None:
        """Have fn called once, at the next completion while masked. Any thread."""
        self.on_masked[fn] = None

    def notify(self) -> None:
        """Call the functions that have asked, each once, because there is something to poll for. Any thread."""
        # Only those that have asked by now. Such a function may wake a thread that polls, finds nothing more and asks
        # again at once. If this loop called the function again, it might never end, and the device would stand still.
        for fn in list(self.on_masked):
            try:
                del self.on_masked[fn]
            except KeyError:  # another thread was faster
                continue
            try:
                fn()
            except KeyboardInterrupt:  # fn may not have begun, so it still asks
                self.on_masked[fn] = None
                raise
            except BaseException as error:  # such as a loop that was closed meanwhile
                report_unraisable(error, "a function that asked for completions raised; the device goes on", fn)

    def due_ns(self) -> int | None:
        """The time at which the coalescing timer runs out; None if nothing is pending."""
        return self._first_ns + self._coalescing.time_ns if self.pending else None
