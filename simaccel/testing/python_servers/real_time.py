"""Notices a server that waits in real time or never returns. Virtual time stands still meanwhile, so nothing comes.

A thread looks ten times a second at what Linux tells of the thread that is judged: how long it has used a CPU, and how
long it was ready to run and got none. For the rest of the time that has passed, it has slept, unless the whole machine
stood still. So a busy machine changes nothing. If the server has slept for too long, or a single call has computed for
too long, a signal interrupts the thread, and the handler raises OutOfTime at the place where the server is. Nothing is
noticed where that can't be done: in a thread other than the main one, without Linux, or if the signal is in use.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from simaccel.stolen_time import stolen_s

SLEPT_S = 2.0
"""How long the calls of a scenario may sleep, all together. A server that never waits sleeps for the disk at most."""
COMPUTED_S = 30.0
"""How much CPU time one call may take. The longest takes a small part of a second."""
LOOK_EVERY_S = 0.1
SIGNAL = signal.SIGURG
"""Ignored by default, so one that comes late does no harm."""


class OutOfTime(BaseException):
    """The server waits in real time, or does not return. Not an Exception, so that most servers do not catch it."""


class RealTime:
    """Watches the calls of one thread. `call` makes them."""

    def __init__(self) -> None:
        self._call = 0
        """The number of the call that runs now, from 1. 0 between calls."""
        self._calls = 0
        self._slept_s = 0.0
        self._reason = ""
        self._interrupted = False

    def call(self, fn: Callable[..., object], *args: Any) -> None:
        """Call fn(*args). Raises what fn raises, OutOfTime, and a KeyboardInterrupt that fn has swallowed."""
        self._calls += 1
        self._call = self._calls
        try:
            fn(*args)
        finally:
            self._call = 0
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt
            if self._reason:
                reason, self._reason = self._reason, ""
                raise OutOfTime(reason)

    def begin_scenario(self) -> None:
        """Forget how long the calls have slept."""
        self._slept_s = 0.0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside the `with`, the calls of this thread are watched."""
        main = threading.current_thread() is threading.main_thread()
        if not main or not _times_are_told() or signal.getsignal(SIGNAL) is not signal.SIG_DFL:
            yield
            return
        ended = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(threading.get_ident(), threading.get_native_id(), ended))
        before = signal.getsignal(signal.SIGINT)

        def interrupted(number: int, frame: FrameType | None) -> None:
            self._interrupted = bool(self._call)
            if callable(before):
                before(number, frame)

        signal.signal(SIGNAL, self._raise)
        if callable(before):
            signal.signal(signal.SIGINT, interrupted)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()
            signal.signal(SIGNAL, signal.SIG_DFL)
            if callable(before):
                signal.signal(signal.SIGINT, before)

    def _raise(self, number: int, frame: FrameType | None) -> None:
        if self._call and self._reason:
            raise OutOfTime(self._reason)

    # In the thread that watches

    def _watch(self, thread: int, native: int, ended: threading.Event) -> None:
        own, call, computed_s = threading.get_native_id(), 0, 0.0
        before = (time.monotonic(), *_times(native), *_times(own), stolen_s())
        while not ended.wait(LOOK_EVERY_S):
            now = (time.monotonic(), *_times(native), *_times(own), stolen_s())
            spans = (one - other for one, other in zip(now, before, strict=True))
            passed_s, cpu_s, waited_s, _, own_cpu_s, own_waited_s, own_runs, lost_s = spans
            own_s = own_cpu_s + own_waited_s
            before = now
            # While this thread waits for the GIL, it runs once in each switch interval to ask for it. If it is late and
            # has not even done that, the whole machine stood still, and the system has not told of it.
            passed_s = min(passed_s, LOOK_EVERY_S + 2 * own_runs * sys.getswitchinterval())
            # While this thread runs or is ready to run, it may hold the GIL. The other one waits for that, which looks
            # like sleep. So this time is taken off.
            slept_s = passed_s - cpu_s - waited_s - own_s - lost_s
            if self._call and slept_s > passed_s / 2:
                self._slept_s += slept_s
            computed_s = computed_s + cpu_s if self._call == call else 0.0
            call = self._call
            if call and self._slept_s > SLEPT_S:
                self._reason = (
                    f"it has slept for {self._slept_s:.1f} s of real time: in virtual time nothing comes while it "
                    "waits, so no method may wait; give a poll the timeout 0"
                )
            elif call and computed_s > COMPUTED_S:
                self._reason = f"a call has not returned after {computed_s:.0f} s of CPU time"
            if self._reason and self._call:
                signal.pthread_kill(thread, SIGNAL)


def _times(native: int) -> tuple[float, float, int]:
    """How long a thread of this process has used a CPU, how long it was ready to run and got none, in seconds, and how
    often it was given one."""
    with open(f"/proc/self/task/{native}/schedstat", encoding="ascii") as file:
        cpu_ns, waited_ns, runs = map(int, file.read().split())
    return cpu_ns / 1e9, waited_ns / 1e9, runs


def _times_are_told() -> bool:
    try:
        _times(threading.get_native_id())
    except (OSError, ValueError):
        return False
    return True
