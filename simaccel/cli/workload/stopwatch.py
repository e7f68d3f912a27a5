"""The stopwatch of one way: how long operations were in flight, and what device and engine had counted at its end.

After Ctrl-C the command still reports what was done until then. So the counts are read before the device is closed:
closing it makes every operation in flight fail, and those failures are not to be counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Protocol, Self

from engine.engine import Engine
from engine.offload.statistics import EngineStatistics
from sim import Accelerator, Statistics
from simaccel.cli.workload.meter import Meter
from simaccel.cli.workload.results import WayResult


class Checked(Protocol):
    """How many results agreed with software, how many operations raised, and how many results were wrong."""

    verified: int
    failed: int
    wrong: int


class Stopwatch:
    """Measures one way. A context manager that is entered while operations are in flight, any number of times."""

    def __init__(self) -> None:
        self.interrupted = False
        self._elapsed_ns = self._busy_ns = 0
        self._accel: Accelerator | None = None
        self._engine: Engine | None = None
        self._counts: tuple[EngineStatistics, Statistics] | None = None

    def of(self, accel: Accelerator, engine: Engine) -> None:
        """Set the device and the engine to be measured. Call it before entering the stopwatch."""
        self._accel, self._engine = accel, engine

    @property
    def begun(self) -> bool:
        """Whether `of` was called: only then is there a result."""
        return self._accel is not None

    def take_counts(self) -> None:
        """Read the counts that `result` will report."""
        if self._accel is not None and self._engine is not None:
            self._counts = self._engine.statistics, self._accel.statistics()

    def __enter__(self) -> Self:
        self._add(-1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._add(1)

    def _add(self, sign: int) -> None:
        assert self._accel is not None, "a stopwatch of nothing"
        self._elapsed_ns += sign * self._accel.clock.now_ns()
        self._busy_ns += sign * self._accel.statistics().busy_ns

    def result(self, way: str, meter: Meter, checked: Checked) -> WayResult:
        """Everything that was measured. Call it after `take_counts`."""
        assert self._accel is not None, "a stopwatch of nothing"
        assert self._counts is not None, "a stopwatch that has not ended"
        engine, device = self._counts
        possible_ns = self._elapsed_ns * self._accel.units
        return WayResult(
            notify=way,
            time="virtual" if self._accel.clock.virtual else "real",
            verified=checked.verified,
            failed=checked.failed,
            wrong=checked.wrong,
            elapsed_ns=self._elapsed_ns,
            utilisation=min(self._busy_ns / possible_ns, 1.0) if possible_ns else 0.0,
            total=meter.total(),
            by_op=meter.rows(),
            engine=engine,
            device=device,
            interrupted=self.interrupted,
        )


@contextmanager
def until_interrupted(stopwatch: Stopwatch) -> Iterator[ExitStack]:
    """Yields a stack for the device, the engine and the scheduler of a way, and closes them at the end.

    If Ctrl-C comes after `of` was called, everything is closed, `stopwatch.interrupted` is set, and the exception
    goes no further. If it comes earlier it is raised.
    """
    try:
        with ExitStack() as stack:
            try:
                yield stack
            finally:
                stopwatch.take_counts()
    except KeyboardInterrupt:
        if not stopwatch.begun:
            raise
        stopwatch.interrupted = True
