"""`accel.faults`: installs fault rules, releases held requests, and resets, removes and plugs in the device by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from hotpath.submittable import Submittable
from sim.device import Device
from sim.faults.injector import Injector
from sim.faults.rules import Installed, Rule, Rulebook, When
from sim.faults.text import parse_faults
from sim.faults.verdicts import Verdict
from sim.randomness import Randomness
from sim.trace import Tracer
from sim.worker import Worker


class Guard:
    """What `install` returns. It is a context manager: leaving it, or calling `remove`, uninstalls its rules."""

    def __init__(self, faults: Faults, installed: list[Installed]) -> None:
        self._faults = faults
        self._installed = installed

    @property
    def fired(self) -> int:
        """How many faults these rules have decided on."""
        return sum(installed.fired for installed in self._installed)

    def remove(self) -> None:
        """Uninstall these rules, and release the requests that they hold. Calling it again does nothing.

        Faults that the rules have decided on before still happen.
        """
        for installed in self._installed:
            self._faults._uninstall(installed)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class Faults:
    """The faults of one accelerator. Any thread may call every method, and none blocks.

    `release`, `reset` and `remove` take effect at the device's next step. In real time that is at once, in virtual time
    at the next jump of the clock.
    """

    def __init__(self, device: Device, randomness: Randomness) -> None:
        self._device = device
        self._randomness = randomness
        self.worker: Worker | None = None
        """The worker that steps the device in real time. The accelerator sets it."""
        self._injector: Injector | None = None
        self._rulebook = Rulebook(self, randomness.stream)

    def install(self, *rules: Rule | When | Verdict | str) -> Guard:
        """Ask these rules at each submit, after the present rules. Returns their guard: leaving it uninstalls them.

        A rule is a function from a request to a verdict, a `When`, a verdict alone (for every request), or the text of
        rules. It is asked in the thread that submits, by one thread at a time. It may use all of the accelerator, but
        if it submits, that raises UsageError in the rule. If it raises, or does not return a verdict, the submit raises
        UsageError.

        Raises UsageError for anything that is not a rule; nothing is installed then.
        """
        added: list[Installed] = []
        try:
            for given in rules:
                for rule in parse_faults(given) if isinstance(given, str) else (given,):
                    added.append(self._rulebook.add(rule))
        except BaseException:
            for installed in added:
                self._rulebook.remove(installed)
            raise
        self._hook()
        return Guard(self, added)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many times requests have met each kind of fault, by its name."""
        return {} if self._injector is None else dict(sorted(self._injector.counts.items()))

    def observe(self, fn: Callable[[Verdict, Submittable], object]) -> None:
        """Call fn(verdict, request) at each submit of a request that will meet a fault, in the thread that submits.

        fn may use all of the accelerator, but if it submits, that raises UsageError in fn. What fn raises is reported.
        """
        self._hook().observers.append(fn)

    @property
    def held(self) -> int:
        """How many requests are held until a release."""
        return 0 if self._injector is None else self._injector.effects.held

    def release(self) -> None:
        """Let all requests that are held complete, and free a stuck doorbell."""
        self._soon(self._hook().effects.release)

    def reset(self) -> None:
        """Reset the device: all that is in flight fails with ResetError, even requests that were lost."""
        self._soon(self._hook().effects.reset)

    def remove(self) -> None:
        """Remove the device: all that is in flight fails with RemovedError, and so does every submit."""
        self._soon(self._hook().effects.remove)

    def plug_in(self) -> None:
        """Undo `remove`: the device takes requests again at once. Does nothing if the device is not removed."""
        self._hook().effects.plug_in()

    def trace_to(self, trace: Tracer) -> None:
        """Record all that happens from now on. The accelerator calls this."""
        self._hook().effects.trace = trace

    # For the rules, and for the accelerator

    def now_ns(self) -> int:
        """The time of the device's clock."""
        return self._device.clock.now_ns()

    def outstanding(self) -> int:
        """How many slots are taken."""
        return self._device.ring.outstanding

    def disown(self) -> None:
        """Take new locks in the child of a fork, because threads of the parent may hold the old ones."""
        if self._injector is not None:
            self._injector.disown()

    def _uninstall(self, installed: Installed) -> None:
        if not installed.removed:
            self._rulebook.remove(installed)
            self._soon(partial(self._hook().effects.release, installed))

    def _soon(self, call: Callable[[], object]) -> None:
        self._device.timers.call_at(self._device.clock.now_ns(), call)
        if self.worker is not None:
            self.worker.wake()

    def _hook(self) -> Injector:
        """The device's hook. It is made and installed, for good, when it is first needed."""
        if self._device.gate.hook is None:
            injector = Injector(self._device, self._rulebook, self._randomness.stream("corrupt"))
            with self._device.gate.lock:
                if self._injector is None:  # no other thread was faster
                    self._injector = injector
                self._device.install(self._injector)
        assert self._injector is not None  # it is never taken away
        return self._injector
