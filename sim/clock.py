"""Clocks, real and virtual. This is the one file of the package that reads the machine's clock.

All that a device knows of a clock is `now_ns`. In real time a worker thread steps the device. In virtual time there is
no thread: the code that waits calls `jump`, and the clock goes straight to the next time at which something is due.
"""

from __future__ import annotations

import time
from functools import partial
from operator import is_not
from typing import ClassVar, Protocol

from sim.errors import UsageError


class Steppable(Protocol):
    """A device, as a clock sees it."""

    def has_work(self) -> bool:
        """Whether a step would do something now, even if no time passes."""
        ...

    def step(self) -> int | None:
        """Do all that is due. Returns the time at which something is due next, or None if nothing is."""
        ...


_is_given = partial(is_not, None)
"""_is_given(x) is x is not None, without a call of Python."""


class RealClock:
    """The monotonic clock of the machine. It has no state, and any thread may read it."""

    virtual: ClassVar[bool] = False
    now_ns = staticmethod(time.monotonic_ns)


class VirtualClock:
    """A clock that stands still until somebody calls `jump` or `advance`. Belongs to one thread at a time.

    Moving the clock steps its devices, in the order in which they were attached. So a run depends only on its seed.
    """

    virtual = True

    __slots__ = ("_devices", "_now_ns", "_owes_step", "_stepping")

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = _nonnegative("start_ns", start_ns)
        self._devices: list[Steppable] = []
        self._stepping = False
        self._owes_step = False
        """Whether an exception such as Ctrl-C came after the time was moved, or while a step ran, so that the step for
        this time has not ended. The next step may then do something although no device says that it has work."""

    def now_ns(self) -> int:
        """The virtual time."""
        return self._now_ns

    @property
    def stepping(self) -> bool:
        """Whether a device is being stepped now: true in the handlers of completions, and in timers."""
        return self._stepping

    def attach(self, device: Steppable) -> None:
        """Step this device from now on. Accelerators call this."""
        self._devices.append(device)

    def detach(self, device: Steppable) -> None:
        """Stop stepping this device. Calling it again does nothing."""
        if device in self._devices:
            self._devices.remove(device)

    def jump(self) -> bool:
        """Do what can be done now. If there is nothing, go to the next due time and do what is due then.

        Returns False if nothing will ever be due: then waiting is in vain. Does not block. Handlers of completions and
        timers are called in this thread. If one of them calls this, it raises UsageError.
        """
        self._check_outside()
        if self._owes_step or self._has_work():
            self._step()
            return True
        due_ns = self._step()
        if due_ns is None:
            return False
        self._now_ns, self._owes_step = max(self._now_ns, due_ns), True
        self._step()
        return True

    def advance(self, duration_ns: int) -> None:
        """Let this much time pass, and do everything that is due meanwhile. Raises UsageError for a negative time."""
        self.advance_to(self._now_ns + _nonnegative("duration_ns", duration_ns))

    def advance_to(self, time_ns: int) -> None:
        """Let time pass until `time_ns`, and do everything that is due meanwhile. Raises UsageError for a past time."""
        self._check_outside()
        if _nonnegative("time_ns", time_ns) < self._now_ns:
            raise UsageError(f"time_ns={time_ns} is before now, {self._now_ns}: a clock does not go back")
        while True:
            due_ns = self._step()
            if self._has_work():
                continue  # a completion has given work to a device that was stepped before: it begins now, not later
            if due_ns is None or due_ns > time_ns:
                break
            self._now_ns, self._owes_step = max(self._now_ns, due_ns), True
        self._now_ns, self._owes_step = time_ns, True
        self._step()

    def _check_outside(self) -> None:
        if self._stepping:
            raise UsageError("the virtual clock was moved from inside a step: a completion must not wait for another")

    def _has_work(self) -> bool:
        return any(device.has_work() for device in self._devices)

    def _step(self) -> int | None:
        """Step every device without moving the time. Returns the time at which something is due next."""
        self._stepping = self._owes_step = True
        try:
            # No condition here: Ctrl-C at the jump after it would get past the `try` (docs/pythons.md).
            dues = [device.step() for device in tuple(self._devices)]
        finally:
            self._stepping = False
        self._owes_step = False
        return min(filter(_is_given, dues), default=None)  # type: ignore[type-var]  # there is no None any more

    def __repr__(self) -> str:
        return f"VirtualClock({self._now_ns})"


Clock = RealClock | VirtualClock


def _nonnegative(name: str, value: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{name}={value!r}: use a whole number of ns, 0 or more")
    return value
