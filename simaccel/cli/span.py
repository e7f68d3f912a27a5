"""The span of one way: how long operations were in flight, and what device and engine had counted at its end.

Ctrl-C ends a way early, and what was done until then is still told. So the counts are taken before the device is
closed, which fails what is in flight.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Protocol, Self

from engine.engine import Engine
from engine.offload.statistics import EngineStatistics
from sim import Accelerator, Statistics
from simaccel.cli.measuring import Meter, WayResult


class Checked(Protocol):
    """What was found when results were compared with software."""

    verified: int
    failed: int
    wrong: int


class Span:
    """Of one way. Entered as a context manager while operations are in flight, once or again and again."""

    def __init__(self) -> None:
        self.interrupted = False
        self._elapsed_ns = self._busy_ns = 0
        self._accel: Accelerator | None = None
        self._engine: Engine | None = None
        self._counts: tuple[EngineStatistics, Statistics] | None = None

    def of(self, accel: Accelerator, engine: Engine) -> None:
        """Say what it is the span of, before it is entered."""
        self._accel, self._engine = accel, engine

    @property
    def begun(self) -> bool:
        """Whether there is anything to tell of."""
        return self._accel is not None

    def take_counts(self) -> None:
        """Look at the counts, for `result`."""
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
        assert self._accel is not None, "a span of nothing"
        self._elapsed_ns += sign * self._accel.clock.now_ns()
        self._busy_ns += sign * self._accel.statistics().busy_ns

    def result(self, way: str, meter: Meter, checked: Checked) -> WayResult:
        """All that is told of the way."""
        assert self._accel is not None, "a span of nothing"
        assert self._counts is not None, "a span that has not ended"
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
def until_interrupted(span: Span) -> Iterator[ExitStack]:
    """The stack of what the span needs. Ctrl-C closes all of it, and is then no error any more but a mark in the span;
    if it comes before the span has begun it is raised."""
    try:
        with ExitStack() as stack:
            try:
                yield stack
            finally:
                span.take_counts()
    except KeyboardInterrupt:
        if not span.begun:
            raise
        span.interrupted = True
