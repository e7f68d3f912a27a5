"""What a test needs: a device, its engine and a scheduler, with one seed and one clock, and a check at the end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from engine.errors import UsageError
from engine.modes import MODES
from engine.offload.retry_setting import Retry
from sim import Accelerator, RealClock, Timing, Trace, Tracer, VirtualClock
from sim.faults import Rule, Verdict, When
from sim.faults.installed_faults import Guard
from simaccel.certify.results.verdict import Result
from simaccel.testing.exploration import Exploration, Model, ScheduleFailure, explore, replay
from simaccel.testing.invariants import check_invariants
from simaccel.testing.misuse import Kind, Misuse, detect_misuse
from simaccel.testing.misuse.detector import check_ignored
from simaccel.testing.python_servers.judge import ALL_KINDS, IGNORED, LATENCY, certify
from simaccel.testing.python_servers.server import Factory
from simaccel.tracing.both import Both

if TYPE_CHECKING:
    from simaccel.tracing.perfetto import PerfettoTrace  # which needs numpy, and few tests need it

CLOCKS = ("virtual", "real")


@dataclass(frozen=True, slots=True)
class Options:
    """How an `Accel` is made. The names are those of sim.Accelerator and Engine, and a few more."""

    clock: str = "virtual"
    """With "virtual" there is no thread and no sleep, and time jumps. With "real" there is a worker thread."""
    depth: int = 256
    units: int | None = None
    latency: Timing | str | None = None
    faults: Sequence[Rule | When | Verdict | str] | str = ()
    notify: str = "fd"
    contract: str = "qat"
    retry: Retry | None = None
    deadline_ns: int | None = None
    assist: bool = False
    """Whether threads that wait do short work of the device; only with `clock="real"`, and without faults and trace."""
    misuse: bool = True
    """Whether the misuse detector watches."""
    ignore: Collection[Kind] = ()
    """Kinds of misuse that are not reported."""
    strict: bool = False
    """Whether the detector also reports a pause for which nothing is announced."""
    invariants: bool = True
    """Whether the invariants of device and engines are checked at the end."""

    @classmethod
    def of(cls, given: dict[str, Any]) -> Options:
        """The options from keyword arguments. Raises UsageError for an unknown name or an invalid value."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                close = get_close_matches(name, known, n=1)
                guess = f"did you mean {close[0]}? " if close else ""
                raise UsageError(f"accel has no option {name!r}: {guess}there are {', '.join(known)}")
        options = cls(**given)
        if options.clock not in CLOCKS:
            raise UsageError(f"clock={options.clock!r}: use one of {', '.join(CLOCKS)}")
        check_ignored(options.ignore)
        return options


class Accel:
    """A device with its engine and its scheduler, for one test. A context manager; the fixture `accel` gives one.

    `seed` decides everything random in it. Leaving it closes all its parts. Then it raises MisuseError or
    InvariantError if the checks have found something, unless another exception is being raised. One thread drives it.
    """

    def __init__(self, *, seed: int | None = None, **options: Any) -> None:
        """The keyword options are the fields of `Options`. Raises UsageError for an unknown or invalid one."""
        self.options = Options.of(options)
        self.seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self.trace: Trace | None = None
        """Where events of the device are recorded, or None. Set it before the device is first used."""
        self.perfetto: PerfettoTrace | None = None
        """Where events of device, engines and jobs are recorded for Perfetto, or None. The code that sets it must close
        it."""
        self.schedule: Path | None = None
        """A schedule that `explore` replays instead of exploring."""
        self.save_schedules_as: Path | None = None
        """The file to which `explore` saves a schedule that fails."""
        self.schedule_saved: Path | None = None
        """The file to which it has saved one, or None."""
        self.scenarios: Sequence[str] = ()
        """If this is not empty, `certify` plays these scenarios instead of those that its caller names."""
        self.command_for: Callable[[str], str] | None = None
        """Returns the command that plays one of these scenarios alone. None if there is no such command."""
        self.misuse: Misuse | None = None
        self._device: Accelerator | None = None
        self._engine: Engine | None = None
        self._scheduler: Scheduler | None = None
        self._engines: list[Engine] = []
        self._stack = ExitStack()

    def __repr__(self) -> str:
        given = self.options
        return f"<Accel seed={self.seed}, {given.clock} clock, depth {given.depth}, notify {given.notify}>"

    # What a test uses

    @property
    def device(self) -> Accelerator:
        """The simulated accelerator. Like the other parts below, it is made when it is first used."""
        if self._device is None:
            given = self.options
            self._device = self._stack.enter_context(
                Accelerator(
                    given.depth,
                    given.units,
                    given.latency,
                    faults=given.faults,
                    trace=self._tracer(),
                    seed=self.seed,
                    clock=VirtualClock() if given.clock == "virtual" else None,
                    assist=given.assist,
                )
            )
        return self._device

    def _tracer(self) -> Tracer | None:
        if self.trace is not None and self.perfetto is not None:
            return Both(self.trace, self.perfetto)
        return self.perfetto if self.trace is None else self.trace

    @property
    def clock(self) -> VirtualClock | RealClock:
        """The device's clock."""
        return self.device.clock

    @property
    def engine(self) -> Engine:
        """An engine on the device, made with the test's options."""
        if self._engine is None:
            self._engine = self.new_engine()
        return self._engine

    def new_engine(self, **options: Any) -> Engine:
        """Another engine on the device, which is closed at the end. Options of Engine replace those of the test."""
        given = self.options
        some: dict[str, Any] = {
            "notify": given.notify,
            "contract": given.contract,
            "retry": given.retry,
            "deadline_ns": given.deadline_ns,
            "trace": self.perfetto,
        }
        engine = self._stack.enter_context(Engine(self.device, **{**some, **options}))
        self._engines.append(engine)
        return engine

    @property
    def scheduler(self) -> Scheduler:
        """A scheduler for jobs."""
        if self._scheduler is None:
            assert self.device is not None  # made before the scheduler, because what is made last is closed first
            self._scheduler = self._stack.enter_context(Scheduler())
        return self._scheduler

    def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Run fn(*args) as a job, and all other jobs too, until they end. Returns its value or raises its exception."""
        job = self.scheduler.spawn(fn, *args)
        self.scheduler.run()
        return job.result()

    def map(self, fn: Callable[..., Any], *iterables: Iterable[Any]) -> list[Any]:
        """Call fn for each item of the iterables, each in a job of its own, and return the results."""
        return self.scheduler.map(fn, *iterables)

    def advance(self, duration_ns: int) -> None:
        """Let this much virtual time pass, and do everything that is due meanwhile. Raises UsageError in real time."""
        clock = self.clock
        if not isinstance(clock, VirtualClock):
            raise UsageError('advance() moves virtual time, but this clock is real: use clock="virtual"')
        clock.advance(duration_ns)

    def faults(self, *rules: Rule | When | Verdict | str) -> Guard:
        """Install fault rules. They stay until the returned guard is left, and at most until the end of the test."""
        return self.device.faults.install(*rules)

    @property
    def random(self) -> random.Random:
        """A new random generator for the test's own use. The seed decides its numbers."""
        return random.Random(self.seed)

    def explore(self, model: Model, preemptions: int = 2, **options: Any) -> Exploration | None:
        """Call `simaccel.testing.explore`. A schedule that fails is saved, and the report of the test names its file.

        With a schedule to replay (`--accel-schedule`), only that schedule is run, and None is returned.
        """
        with self.misuse.suspended() if self.misuse is not None else nullcontext():
            if self.schedule is not None:
                replay(model, self.schedule)
                return None
            file = self.save_schedules_as
            try:
                return explore(model, preemptions, **{"save": file, **options})
            except ScheduleFailure:
                self.schedule_saved = file
                raise

    def certify(
        self,
        server_factory: Factory,
        *,
        scenarios: Sequence[str] = (),
        connects: int = 1000,
        kinds: Sequence[str] = ALL_KINDS,
    ) -> Result:
        """Put a server through the situations in which others have failed, in virtual time: docs/certify-python.md.

        `server_factory(engine)` returns a new server, which fits `simaccel.testing.CertifiedServer`. Each scenario gets
        a new one, with an engine and a device of its own. These have `notify`, `contract`, `units`, `latency` and
        `ignore` of the test's options.

        - `scenarios`: the names of those to play; all by default.
        - `connects`: how many clients `many-connects` has.
        - `kinds`: "stackful" or "coroutine" for a server that can run handshakes of one kind alone.

        Returns the verdicts. Raises CertifyError if the server failed in a scenario, what the factory raises, and
        UsageError for wrong arguments.
        """
        given = self.options
        if given.clock != "virtual":
            raise UsageError(f'certify with clock={given.clock!r}: it works in virtual time alone, clock="virtual"')
        if given.contract == "dasync" and MODES[given.notify].by_callback:
            raise UsageError(
                'certify with contract="dasync": with it, nothing is ever in flight, so there is nothing to judge; use '
                '"qat" or "strict", and the scenario wake-before-pause wakes as early'
            )
        options = {name: getattr(given, name) for name in ("notify", "contract", "units")}
        options |= {"latency": given.latency or LATENCY, "ignore": (*given.ignore, *IGNORED)}
        described = [f"seed={self.seed}", *(f"{name}={value!r}" for name, value in self._unusual().items())]

        def without_pytest(name: str) -> str:
            return f"Accel({', '.join(described)}).certify(server_factory, scenarios=[{name!r}])"

        with self.misuse.suspended() if self.misuse is not None else nullcontext():
            return certify(
                server_factory,
                lambda **more: Accel(**{**options, **more}),
                self.command_for or without_pytest,
                seed=self.seed,
                scenarios=self.scenarios or scenarios,
                connects=connects,
                kinds=kinds,
            )

    def _unusual(self) -> dict[str, Any]:
        """The options that differ from the defaults."""
        usual = Options()
        values = {field.name: getattr(self.options, field.name) for field in fields(Options)}
        return {name: value for name, value in values.items() if value != getattr(usual, name)}

    def again(self, *, seed: int | None = None, **options: Any) -> Accel:
        """Another Accel like this one, with another seed or other options if these are given. A random test makes one
        for each of its examples."""
        fresh = Accel(seed=self.seed if seed is None else seed)
        fresh.options = replace(self.options, **{name: getattr(Options.of(options), name) for name in options})
        return fresh

    def describe(self) -> list[str]:
        """Lines for a report: how this was made, and what has happened to it."""
        given = self.options
        mode = MODES.get(given.notify)  # None if the options can't work, which may be what is reported
        notify = f"{given.notify}, contract {given.contract}" if mode and mode.by_callback else given.notify
        lines = [f"seed: {self.seed}", f"made with: {given.clock} clock, depth {given.depth}, notify {notify}"]
        if self._device is not None and (given.faults or self._device.faults.counts):
            counts = ", ".join(f"{kind} {count} times" for kind, count in self._device.faults.counts.items())
            rules = [given.faults] if isinstance(given.faults, str) else list(given.faults)
            lines.append(f"faults: {'; '.join(map(str, rules)) or 'installed by the test'} (met: {counts or 'none'})")
        if self.schedule is not None or self.schedule_saved is not None:
            lines.append(f"schedule: {os.fspath(self.schedule or self.schedule_saved or '')}")
        if self.schedule_saved is not None:
            lines.append(f"picture: {self.schedule_saved.with_suffix('.svg')}")
            lines.append(f"for Perfetto: {self.schedule_saved.with_suffix('.pftrace')}")
        return lines

    # Beginning and end

    def __enter__(self) -> Self:
        given = self.options
        if given.misuse:
            detector: AbstractContextManager[Misuse] = detect_misuse(
                ignore=given.ignore, raises=False, stop_busy=True, strict=given.strict
            )
            self.misuse = self._stack.enter_context(detector)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            self.check()

    def check(self) -> None:
        """Raise what the checks have found. Call this after the end."""
        if self.misuse is not None:
            self.misuse.check()
        if self.options.invariants and self._device is not None:
            check_invariants(self._device, self._engines)
