"""When the interrupt fires: coalescing by count and by time, and the mask that polling sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.errors import UsageError
from sim.report import report_unraisable


@dataclass(frozen=True, slots=True)
class Coalescing:
    """An interrupt fires at `count` pending completions, or `time_ns` after the first of them, whichever is first.

    Completions that are there when the device looks share an interrupt in any case. The default fires at each look.
    """

    count: int = 1
    time_ns: int = 50_000

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or isinstance(self.count, bool) or self.count < 1:
            raise UsageError(f"coalescing count {self.count!r}: use a whole number, 1 or more")
        if not isinstance(self.time_ns, int) or isinstance(self.time_ns, bool) or self.time_ns < 0:
            raise UsageError(f"coalescing time {self.time_ns!r} ns: use a whole number of ns, 0 or more")


class Interrupt:
    """The interrupt line of a device. Belongs to the thread that steps it."""

    __slots__ = ("_coalescing", "_first_ns", "fired", "masked", "on_masked", "pending")

    def __init__(self, coalescing: Coalescing) -> None:
        self._coalescing = coalescing
        self.pending = 0
        """Completions of which no interrupt has told. Whoever handles it counts them down, and `fired` up."""
        self._first_ns = 0
        self.fired = 0
        self.masked = False
        """Polling: nothing fires, completions stay on their ring until somebody reaps them."""
        self.on_masked: dict[Callable[[], object], None] = {}
        """Each is called once, at the next completion while masked. Who asks twice is told once."""

    def pend(self, now_ns: int, count: int = 1) -> None:
        """So many more completions are on their ring."""
        if not self.pending:
            self._first_ns = now_ns
        self.pending += count

    def is_due(self, now_ns: int) -> bool:
        """Whether the interrupt is to be handled now: by those who poll, while masked. Changes nothing."""
        if not self.pending:
            return False
        coalescing = self._coalescing
        return self.masked or self.pending >= coalescing.count or now_ns >= self._first_ns + coalescing.time_ns

    def ask(self, fn: Callable[[], object]) -> None:
        """Have fn called, once, at the next completion while masked. Any thread."""
        self.on_masked[fn] = None

    def forget(self, fn: Callable[[], object]) -> None:
        """Have it called no more. Any thread; no harm if it was called, or never asked."""
        self.on_masked.pop(fn, None)

    def notify(self) -> None:
        """There is something to poll for: tell who asked, once. Any thread."""
        # Not those that ask meanwhile. Who is told polls, finds nothing more and asks again, at once and on a thread of
        # its own: we would tell each other for ever, and the device would get on with nothing else.
        for fn in list(self.on_masked):
            try:
                del self.on_masked[fn]
            except KeyError:  # somebody else was faster
                continue
            try:
                fn()
            except KeyboardInterrupt:  # perhaps before it was told
                self.on_masked[fn] = None
                raise
            except BaseException as error:  # such as a loop that was closed meanwhile
                report_unraisable(error, "a function that asked for completions raised; the device goes on", fn)

    def due_ns(self) -> int | None:
        """When the coalescing timer runs out; None with nothing pending."""
        return self._first_ns + self._coalescing.time_ns if self.pending else None
