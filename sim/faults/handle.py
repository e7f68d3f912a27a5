"""`accel.faults`: where rules are installed, and the device is held, reset, pulled out and plugged in by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from sim.faults.injector import SlowPath
from sim.faults.rulebook import Installed, Rulebook
from sim.faults.rules import Rule, When
from sim.faults.verdicts import Verdict
from sim.randomness import Randomness
from sim.request import Submittable

if TYPE_CHECKING:
    from sim.device import Device
    from sim.trace import Trace
    from sim.worker import Worker


class Guard:
    """What `install` returns: leave it, or call `remove`, and its rules are asked no more."""

    def __init__(self, faults: Faults, installed: list[Installed]) -> None:
        self._faults = faults
        self._installed = installed

    @property
    def fired(self) -> int:
        """How many faults these rules have decided."""
        return sum(installed.fired for installed in self._installed)

    def remove(self) -> None:
        """Uninstall these rules, and release what they hold. What they have decided is still met. Twice is no harm."""
        for installed in self._installed:
            self._faults._uninstall(installed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Faults:
    """The faults of one accelerator. Any thread; nothing here blocks.

    What is asked of the device itself - release, reset, remove - happens at its next step: at once in real time, with
    the next jump in virtual time.
    """

    def __init__(self, device: Device, producers: threading.RLock, randomness: Randomness) -> None:
        self._device = device
        self._producers = producers
        self._randomness = randomness
        self.worker: Worker | None = None
        """Set by the accelerator, in real time."""
        self._rulebook = Rulebook(self, randomness.stream)

    def install(self, *rules: Rule | When | Verdict | str) -> Guard:
        """Have these asked at each submit from now on, behind those that are installed, until the guard is left.

        A rule is a function from a request to a verdict, a `When`, a verdict alone (for every request), or the text of
        rules. It is asked in the thread that submits, one at a time. It may use all of the accelerator, but not
        submit: that raises UsageError in it. If it raises, or answers nonsense, the submit raises UsageError.
        UsageError here for what can't be a rule; nothing is installed then.
        """
        added: list[Installed] = []
        try:
            for rule in rules:
                added += self._rulebook.add(rule)
        except BaseException:
            for installed in added:
                self._rulebook.remove(installed)
            raise
        self._path()
        return Guard(self, added)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each kind of fault was met, by name."""
        slow = self._device.slow
        return {} if slow is None else dict(sorted(slow.counts.items()))

    def observe(self, fn: Callable[[Verdict, Submittable], object]) -> None:
        """Have fn called at each submit that meets a fault, in the thread that submits. It may use all of the
        accelerator, but not submit: that raises UsageError in it."""
        self._path().observers.append(fn)

    @property
    def held(self) -> int:
        """Requests that wait to be released."""
        slow = self._device.slow
        return 0 if slow is None else slow.held

    def release(self) -> None:
        """Let all that is held complete, and a stuck doorbell ring."""
        self._soon(self._path().release)

    def reset(self) -> None:
        """Reset the device: all that is in flight, lost ones too, fails with ResetError."""
        self._soon(self._path().reset)

    def remove(self) -> None:
        """Pull the device out: all that is in flight fails with RemovedError, and so do submits."""
        self._soon(self._path().remove)

    def plug_in(self) -> None:
        """The end of `remove`: the device takes requests again, at once. Does nothing if it was not removed."""
        self._path().plug_in()

    def trace_to(self, trace: Trace) -> None:
        """Have all that happens recorded. For the accelerator."""
        self._path().trace = trace

    # For the rules, and for the accelerator

    def now_ns(self) -> int:
        """The device's time."""
        return self._device.clock.now_ns()

    def outstanding(self) -> int:
        """Slots that are taken."""
        return self._device.ring.outstanding

    def disown(self, producers: threading.RLock) -> None:
        """In the child of a fork: the locks may be held by threads that are not there, so take new ones."""
        self._producers = producers
        if self._device.slow is not None:
            self._device.slow.disown(producers)

    def _uninstall(self, installed: Installed) -> None:
        if not installed.removed:
            self._rulebook.remove(installed)
            slow = self._path()
            self._soon(lambda: slow.release(installed))

    def _soon(self, call: Callable[[], object]) -> None:
        self._device.timers.call_at(self._device.clock.now_ns(), call)
        if self.worker is not None:
            self.worker.wake()

    def _path(self) -> SlowPath:
        """The device's slow path; made, and switched on for good, when it is first needed."""
        device = self._device
        if device.slow is None:
            slow = SlowPath(device, self._rulebook, self._producers, self._randomness.stream("corrupt"))
            with self._producers:
                if device.slow is None:  # nobody was faster
                    # Last that a submit looks twice: what it marks must find a device that looks for marks.
                    device.slow = slow
                    device.straight = False
                    device.checks_submits = True
        assert device.slow is not None  # it is never taken away
        return device.slow
