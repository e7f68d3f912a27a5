"""Ctrl-C at random instants, by a timer of the system: `storm`.

`tests.interrupting` raises exceptions at places that it knows. This does it at any place, thousands of times. A seed
decides when.
"""

from __future__ import annotations

import dis
import random
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from types import FrameType

Scenario = Callable[[random.Random], AbstractContextManager[Callable[[], object]]]


AGAIN_S = 20e-6
"""If the signal comes in code that is spared, it comes again after this time."""


class _Armed:
    """A signal handler that raises once for each time that it is armed, but not in files of `spared` modules, not
    where CPython itself would leave a lock taken, and not on entry to `__del__`, which nobody can call once more."""

    def __init__(self, spared: Collection[str]) -> None:
        self.spared = spared
        self.armed = False
        self.raised: KeyboardInterrupt | None = None
        self._report = sys.unraisablehook

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.armed:
            return
        while frame is not None and frame.f_globals is globals():  # the signal came while we were arming the next one
            frame = frame.f_back
        if frame is not None and (self._spares(frame) or frame.f_code.co_name == "__del__" or _is_in_between(frame)):
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            self.armed = False
            self.raised = KeyboardInterrupt()
            raise self.raised

    def _spares(self, frame: FrameType) -> bool:
        return frame.f_globals.get("__name__", "").partition(".")[0] in self.spared

    def unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """For sys.unraisablehook: an exception in `__del__` or in the callback of a weakref is lost, and that is no
        fault."""
        if args.exc_value is not self.raised:
            self._report(args)


def _is_in_between(frame: FrameType) -> bool:
    """Whether a `with` has called `__enter__`, and does not yet call `__exit__` if an exception comes. From 3.14 on,
    CPython looks for signals there: docs/pythons.md."""
    if sys.version_info >= (3, 14):
        return frame.f_code.co_code[frame.f_lasti - 2 : frame.f_lasti] == bytes((dis.opmap["LOAD_SPECIAL"], 0))
    return False


def storm(
    scenario: Scenario, *, seed: int | str, seconds: float, rounds: int | None = None, spared: Collection[str] = ()
) -> tuple[int, int]:
    """Interrupt what the scenario yields, again and again. Returns how many rounds there were, and in how many of them
    a KeyboardInterrupt was raised.

    The scenario is as for `interrupting.interrupt_everywhere`, but gets random numbers. In each round, what it yields
    is interrupted once, at some time within the time that it took in the rounds before. Nothing else is interrupted. It
    ends after this many seconds or rounds. No Ctrl-C comes in the code of the packages whose names are in `spared`.
    Only for the main thread.
    """
    choice = random.Random(seed)
    handler = _Armed(spared)
    before = signal.signal(signal.SIGALRM, handler)
    report, sys.unraisablehook = sys.unraisablehook, handler.unraisable
    done = hits = 0
    span_s = 200e-6
    end_s = time.monotonic() + seconds
    try:
        while time.monotonic() < end_s and done != rounds:
            with scenario(choice) as act:
                begin_s = time.monotonic()
                try:
                    try:
                        handler.armed = True
                        signal.setitimer(signal.ITIMER_REAL, choice.uniform(2e-6, span_s))
                        act()
                    finally:
                        handler.armed = False
                except KeyboardInterrupt:
                    hits += 1
                else:  # it was over before the signal came
                    span_s = min(max(0.9 * span_s + 0.1 * (time.monotonic() - begin_s), 20e-6), 20e-3)
                signal.setitimer(signal.ITIMER_REAL, 0)
            done += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        sys.unraisablehook = report
    return done, hits
