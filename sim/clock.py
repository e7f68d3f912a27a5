"""Clocks, real and virtual. This is the one file of the package that reads the machine's clock.

A device knows nothing of a clock but `now_ns`. In real time a worker thread steps the device. In virtual time there is
no thread: whoever waits calls `jump`, and the clock goes straight to the next thing that is due.
"""

from __future__ import annotations

import time
from typing import ClassVar, Protocol

from sim.errors import UsageError


class Steppable(Protocol):
    """A device, as a clock sees it."""

    def has_work(self) -> bool:
        """Whether a step would do something at once, at any time."""
        ...

    def step(self) -> int | None:
        """Do all that is due; return when something is due next, None for never."""
        ...


class RealClock:
    """The monotonic clock of the machine. Stateless; any thread."""

    virtual: ClassVar[bool] = False
    now_ns = staticmethod(time.monotonic_ns)


class VirtualClock:
    """A clock that stands still until somebody calls `jump` or `advance`. Belongs to one thread at a time.

    Moving the clock steps its devices, in the order in which they were attached. So a run depends on its seed alone.
    """

    virtual: ClassVar[bool] = True

    __slots__ = ("_devices", "_now_ns", "_owes_step", "_stepping")

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = _nonnegative("start_ns", start_ns)
        self._devices: list[Steppable] = []
        self._stepping = False
        self._owes_step = False
        """Whether the time was moved, or a step begun, and no step has ended since: an exception, such as Ctrl-C, came
        in between. The next step may do something then, though no device has work and nothing is due later."""

    def now_ns(self) -> int:
        """The virtual time."""
        return self._now_ns

    @property
    def stepping(self) -> bool:
        """Whether a device is being stepped now: true in the handlers of completions, and in timers."""
        return self._stepping

    def attach(self, device: Steppable) -> None:
        """Step this device from now on. For accelerators."""
        self._devices.append(device)

    def detach(self, device: Steppable) -> None:
        """Step it no more. Calling again does nothing."""
        if device in self._devices:
            self._devices.remove(device)

    def jump(self) -> bool:
        """Do what can be done now; if that is nothing, go to the next due time and do what is due then.

        Returns False if nothing is due, ever: then waiting is in vain. Does not block. The handlers of completions and
        timers are called in this thread; in one of them this raises UsageError.
        """
        self._check_outside()
        if self._owes_step or any(device.has_work() for device in self._devices):
            self._step()
            return True
        due_ns = self._step()
        if due_ns is None:
            return False
        self._now_ns, self._owes_step = max(self._now_ns, due_ns), True
        self._step()
        return True

    def advance(self, duration_ns: int) -> None:
        """Let this much time pass, and do everything that is due meanwhile. Raises UsageError if it is negative."""
        self.advance_to(self._now_ns + _nonnegative("duration_ns", duration_ns))

    def advance_to(self, time_ns: int) -> None:
        """Let time pass up to `time_ns`, and do everything that is due meanwhile. Raises UsageError for a time past."""
        self._check_outside()
        if _nonnegative("time_ns", time_ns) < self._now_ns:
            raise UsageError(f"time_ns={time_ns} is before now, {self._now_ns}: a clock does not go back")
        while True:
            due_ns = self._step()
            if due_ns is None or due_ns > time_ns:
                break
            self._now_ns, self._owes_step = max(self._now_ns, due_ns), True
        self._now_ns, self._owes_step = time_ns, True
        self._step()

    def _check_outside(self) -> None:
        if self._stepping:
            raise UsageError("the virtual clock was moved from inside a step: a completion must not wait for another")

    def _step(self) -> int | None:
        """Step every device without moving the time; return when something is due next."""
        self._stepping = self._owes_step = True
        try:
            dues = [due for device in tuple(self._devices) if (due := device.step()) is not None]
        finally:
            self._stepping = False
        self._owes_step = False
        return min(dues, default=None)

    def __repr__(self) -> str:
        return f"VirtualClock({self._now_ns})"


Clock = RealClock | VirtualClock


def _nonnegative(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{name}={value!r}: use a whole number of ns, 0 or more")
    return value
