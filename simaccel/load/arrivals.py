"""When work arrives: the intended times, which do not depend on how fast earlier work is done.

An `Arrivals` makes times from a stream of random numbers. It only calls `random()`, once for each arrival, so equal
seeds give equal times. `Closed` is the other kind of load: a fixed number of callers, each of which asks, waits for the
answer, thinks for a while, and asks again.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from sim.errors import UsageError
from sim.timing import Model, format_duration_ns, parse_duration_ns, read_column
from sim.timing.quantities import check_count, check_ns
from simaccel.load.rates import check_rate, format_rate

Times = npt.NDArray[np.int64]
"""Times in ns since the start of the load, in order."""


@runtime_checkable
class Arrivals(Protocol):
    """A source of intended times."""

    @property
    def rate_per_s(self) -> float:
        """The mean rate."""
        ...

    @property
    def spec(self) -> str:
        """Its text, shown to people and used as its name in results."""
        ...

    def times_ns(self, count: int, rng: random.Random) -> Times:
        """The first `count` arrivals, in order; fewer if there are no more."""
        ...


def _exponentials(count: int, rng: random.Random) -> npt.NDArray[np.float64]:
    """This many random numbers with a mean of 1."""
    draw = rng.random
    return -np.log1p(-np.fromiter((draw() for _ in range(count)), np.float64, count))


@dataclass(frozen=True, slots=True)
class Poisson:
    """Arrivals that are independent of each other, as those of very many users are."""

    rate_per_s: float

    def __post_init__(self) -> None:
        check_rate(self.rate_per_s, self.rate_per_s)

    def times_ns(self, count: int, rng: random.Random) -> Times:
        return _rounded(np.cumsum(_exponentials(count, rng)) * (1e9 / self.rate_per_s))

    @property
    def spec(self) -> str:
        return f"poisson, {format_rate(self.rate_per_s)}"


@dataclass(frozen=True, slots=True)
class Constant:
    """Arrivals at equal distances of 1 / rate. The first comes at 1 / rate."""

    rate_per_s: float

    def __post_init__(self) -> None:
        check_rate(self.rate_per_s, self.rate_per_s)

    def times_ns(self, count: int, rng: random.Random) -> Times:
        return _rounded(np.arange(1, count + 1, dtype=np.float64) * (1e9 / self.rate_per_s))

    @property
    def spec(self) -> str:
        return f"constant, {format_rate(self.rate_per_s)}"


@dataclass(frozen=True, slots=True)
class Bursts:
    """Poisson arrivals for a time (on), then none for a time (off), in turn. `rate_per_s` is the mean over both."""

    rate_per_s: float
    on_ns: int
    off_ns: int

    def __post_init__(self) -> None:
        check_rate(self.rate_per_s, self.rate_per_s)
        check_ns("bursts, on", self.on_ns)
        check_ns("bursts, off", self.off_ns)
        if not self.on_ns:
            raise UsageError(
                "bursts that are on for 0ns: nothing would ever arrive; use more, such as bursts:10ms,90ms"
            )

    @property
    def peak_per_s(self) -> float:
        """The rate while it is on."""
        return self.rate_per_s * (self.on_ns + self.off_ns) / self.on_ns

    def times_ns(self, count: int, rng: random.Random) -> Times:
        busy_ns = _rounded(np.cumsum(_exponentials(count, rng)) * (1e9 / self.peak_per_s))
        return busy_ns + busy_ns // self.on_ns * self.off_ns

    @property
    def spec(self) -> str:
        on, off = format_duration_ns(self.on_ns), format_duration_ns(self.off_ns)
        return f"bursts:{on},{off}, {format_rate(self.rate_per_s)}"


@dataclass(frozen=True, slots=True)
class TraceArrivals:
    """Recorded arrivals. They end with the recording."""

    recorded_ns: tuple[int, ...]
    name: str

    def __post_init__(self) -> None:
        if len(self.recorded_ns) < 2 or self.recorded_ns[-1] <= 0:
            raise UsageError(f"arrivals of {self.name}: give two or more, that are not all at one time")

    @classmethod
    def load(cls, path: str | os.PathLike[str], column: str | None = None, unit: str | None = None) -> TraceArrivals:
        """A column of a CSV file; see `sim.timing.read_column`. The first arrival is at 0, whatever its clock said.

        May block. Raises UsageError if it can't be read, or if a time is before the one above it.
        """
        read = read_column(path, column, unit)
        times = read.times_ns
        for line, before, after in zip(read.lines[1:], times, times[1:], strict=False):
            if after < before:
                raise UsageError(
                    f"csv {os.fspath(path)!r} line {line}: {format_duration_ns(after)} is before the time above it, "
                    f"{format_duration_ns(before)}; sort the rows by {read.name!r}"
                )
        return cls(tuple(time_ns - times[0] for time_ns in times), os.fspath(path))

    @property
    def rate_per_s(self) -> float:
        return (len(self.recorded_ns) - 1) * 1e9 / self.recorded_ns[-1]

    def times_ns(self, count: int, rng: random.Random) -> Times:
        return np.asarray(self.recorded_ns[:count], dtype=np.int64)

    @property
    def spec(self) -> str:
        return f"csv:{self.name}, {format_rate(self.rate_per_s)}"


@dataclass(frozen=True, slots=True)
class Closed:
    """A fixed number of callers. Each thinks, asks, waits for the answer, and thinks again. Books on queueing call this
    the machine repairman.

    It has no intended times, so only functions that name `Closed` as a type accept it.
    """

    callers: int
    think: Model

    def __post_init__(self) -> None:
        check_count("callers", self.callers)

    @property
    def spec(self) -> str:
        return f"{self.callers} callers that think {self.think.spec}"


AtRate: TypeAlias = Poisson | Constant | Bursts
"""The arrivals that have a rate of your choice."""
AT_RATE = "poisson, constant, bursts:10ms,90ms (on, off)"
"""How these are written, for help and messages."""
RECORDED = "csv:PATH,column=NAME,unit=s"
"""How recorded arrivals are written."""


def parse_arrivals(text: str, rate_per_s: float | None) -> Arrivals:
    """The arrivals of a text: one of `AT_RATE`, which need a rate, or `RECORDED`, which has its own.

    Raises UsageError. May block, as it reads the file of recorded ones.
    """
    kind, colon, rest = text.strip().partition(":")
    if kind == "csv":
        if rate_per_s is not None:
            raise UsageError(
                f"arrivals {text!r} with a rate of {format_rate(rate_per_s)}: the file has its own; leave one out"
            )
        path, *options = (part.strip() for part in rest.split(","))
        given = dict(option.partition("=")[::2] for option in options)
        if not path or given.keys() - {"column", "unit"}:
            raise UsageError(f"arrivals {text!r}: write {RECORDED}")
        return TraceArrivals.load(path, given.get("column"), given.get("unit"))
    if kind not in ("poisson", "constant", "bursts") or bool(colon) is not (kind == "bursts"):
        raise UsageError(f"arrivals {text!r}: use one of {AT_RATE}, {RECORDED}")
    if rate_per_s is None:
        raise UsageError(f"arrivals {text!r} without a rate: give one, such as 50k/s")
    if kind == "bursts":
        fields = rest.split(",")
        if len(fields) != 2:
            raise UsageError(f"arrivals {text!r}: give two times, on and off, as bursts:10ms,90ms")
        return Bursts(rate_per_s, parse_duration_ns(fields[0]), parse_duration_ns(fields[1]))
    return Poisson(rate_per_s) if kind == "poisson" else Constant(rate_per_s)


def _rounded(times_ns: npt.NDArray[np.float64]) -> Times:
    if len(times_ns) and times_ns[-1] >= 2**62:
        raise UsageError(f"{len(times_ns):,} arrivals take more than 146 years: use a higher rate or fewer of them")
    return np.rint(times_ns).astype(np.int64)
