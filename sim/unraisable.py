"""Calls functions that are not ours, and reports the exceptions that have no caller to go to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from sim.statistics import Counters


def report_unraisable(error: BaseException, message: str, culprit: object) -> None:
    """Hand the exception to threading.excepthook, which prints it, and which test tools watch. Never raises.

    `culprit` and `error` may be the user's: their `__repr__` and `add_note` may raise.
    """
    with suppress(BaseException):  # if adding the note fails, the exception is reported without it
        error.add_note(f"simaccel: {message}: {_shown(culprit)}")
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
    except BaseException as in_hook:  # a hook of the user's that raises must not end the worker
        with suppress(BaseException):  # nothing is left to report with
            what = f"threading.excepthook raised {_shown(in_hook)} for {_shown(error)} ({message})"
            print(f"simaccel: {what}", file=sys.__stderr__)


class ForeignCalls:
    """Calls functions of others for a device. If one raises, that is reported and counted, and the device goes on."""

    __slots__ = ("_counters", "_virtual")

    def __init__(self, counters: Counters, virtual: bool) -> None:
        """`virtual`: the device lives in virtual time, so every call is made in the user's own thread."""
        self._counters = counters
        self._virtual = virtual

    def call(self, fn: Callable[[], object], own_thread: bool = False) -> None:
        """Call fn.

        A KeyboardInterrupt is raised here if this thread is the user's own: in virtual time it always is, in real time
        if `own_thread` says so. A MemoryError or RecursionError may have come before fn began, so fn is then called a
        second time. All else that fn raises is reported.
        """
        for last in (False, True):
            try:
                fn()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and (own_thread or self._virtual):
                    raise
                if not last and isinstance(error, MemoryError | RecursionError):
                    continue
                self.report(error, "a timer, or a function that is told of free slots,", fn)
            return

    def report(self, error: BaseException, what: str, culprit: object) -> None:
        """Count and report what a foreign function raised. Never raises."""
        self._counters.handler_errors += 1
        report_unraisable(error, f"{what} raised; the device goes on", culprit)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except BaseException:
        return f"a {type(value).__name__} whose __repr__ raises"
