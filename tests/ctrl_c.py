"""Ctrl-C at random instants, by a timer of the system: `storm`.

What `tests.interrupting` does at places that it knows, this does at any: thousands of times, by a seed.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from types import FrameType

Scenario = Callable[[random.Random], AbstractContextManager[Callable[[], object]]]


AGAIN_S = 20e-6
"""So long after an instant that is spared the signal comes again."""


class _Armed:
    """A signal handler that raises once for each time that it is armed, but not in files of `spared` modules."""

    def __init__(self, spared: Collection[str]) -> None:
        self.spared = spared
        self.armed = False
        self.raised: KeyboardInterrupt | None = None
        self._report = sys.unraisablehook

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if not self.armed:
            return
        while frame is not None and frame.f_globals is globals():  # it came while we arm the next one
            frame = frame.f_back
        if frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] in self.spared:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_S)
        else:
            self.armed = False
            self.raised = KeyboardInterrupt()
            raise self.raised

    def unraisable(self, args: sys.UnraisableHookArgs) -> None:
        """For sys.unraisablehook: what came in `__del__` or in a weakref's callback is lost there, and no fault."""
        if args.exc_value is not self.raised:
            self._report(args)


def storm(
    scenario: Scenario, *, seed: int | str, seconds: float, rounds: int | None = None, spared: Collection[str] = ()
) -> tuple[int, int]:
    """Interrupt what the scenario yields, again and again; (rounds, those in which a KeyboardInterrupt came out).

    The scenario is as for `tests.interrupting.sweep`, and is given random numbers. What it yields is interrupted once
    in each round, somewhere in the time that it took in the rounds before; nothing else is. Ends after so many seconds
    or rounds. No Ctrl-C comes in the code of the packages `spared`, by name. For the main thread.
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
