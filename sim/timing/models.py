"""Models of a duration: how long a service takes, or the latency after it.

A model is immutable, and draws from the generator that it is given. The only method of the generator that it calls is
`random()`, which gives equal values for equal seeds in every version of Python. Each draw calls it the same number of
times, so that the duration of one request never changes that of another. Every constructor raises UsageError for values
that make no sense.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from sim.errors import UsageError
from sim.timing.quantities import MAX_NS, check_ns, format_bandwidth, format_duration_ns, format_number

_NORMAL = NormalDist()
_RESERVED = "=;+,"


@runtime_checkable
class Model(Protocol):
    """A source of durations. Any class with these members is one. `spec` is the text form, for `parse_timing`."""

    @property
    def spec(self) -> str: ...

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        """The duration for one request; `op` is the name of its kernel, `size_bytes` the size of its payload."""
        ...


@dataclass(frozen=True, slots=True)
class Fixed:
    """Always the same duration. `fixed:50us`"""

    duration_ns: int

    def __post_init__(self) -> None:
        check_ns("fixed", self.duration_ns)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        return self.duration_ns

    @property
    def spec(self) -> str:
        return f"fixed:{format_duration_ns(self.duration_ns)}"


@dataclass(frozen=True, slots=True)
class Uniform:
    """Every ns from low to high, both included, with equal probability. `uniform:10us,90us`"""

    low_ns: int
    high_ns: int

    def __post_init__(self) -> None:
        check_ns("uniform", self.low_ns)
        check_ns("uniform", self.high_ns)
        if self.low_ns > self.high_ns:
            low, high = format_duration_ns(self.low_ns), format_duration_ns(self.high_ns)
            raise UsageError(f"uniform {low},{high}: give the lower first, {high},{low}")

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        # min: above 2**53 ns the product of floats may be rounded up past the end.
        return min(self.low_ns + int(rng.random() * (self.high_ns - self.low_ns + 1)), self.high_ns)

    @property
    def spec(self) -> str:
        return f"uniform:{format_duration_ns(self.low_ns)},{format_duration_ns(self.high_ns)}"


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Skewed as real service times are: half are below the median, two in three within e**±sigma times the median.

    `lognormal:50us,0.3`. Sigma is at most 10. Even then, values of 22,000 times the median are common.
    """

    median_ns: int
    sigma: float

    def __post_init__(self) -> None:
        check_ns("lognormal", self.median_ns)
        _check_number("sigma", self.sigma, 0, 10)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        # The inverse of the distribution needs one random() for each draw; gauss and the like need a varying number.
        # exp and log come from the C library. With another C library the last bit, which is one ns, may differ.
        z = _NORMAL.inv_cdf(rng.random() or 2**-54)
        return min(int(self.median_ns * math.exp(self.sigma * z)), MAX_NS)

    @property
    def spec(self) -> str:
        return f"lognormal:{format_duration_ns(self.median_ns)},{format_number(self.sigma)}"


@dataclass(frozen=True, slots=True)
class Exponential:
    """The duration without a memory: how long it will still take does not depend on how long it has taken.

    `exponential:100us` has a mean of 100 us. Queueing theory has closed forms for this model. Real services are rarely
    like it: very short and very long ones are not as common.
    """

    mean_ns: int

    def __post_init__(self) -> None:
        check_ns("exponential", self.mean_ns)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        # To the nearest ns, so that the mean stays. `log` comes from the C library, as with Lognormal.
        return min(int(0.5 - self.mean_ns * math.log(1.0 - rng.random())), MAX_NS)

    @property
    def spec(self) -> str:
        return f"exponential:{format_duration_ns(self.mean_ns)}"


@dataclass(frozen=True, slots=True)
class PerByte:
    """A base, plus the time that the payload takes at a bandwidth, to the nearest ns. `bytes:5us,2GB/s`"""

    base_ns: int
    bytes_per_s: int

    def __post_init__(self) -> None:
        check_ns("bytes", self.base_ns)
        if not isinstance(self.bytes_per_s, int) or isinstance(self.bytes_per_s, bool) or self.bytes_per_s < 1:
            raise UsageError(f"bandwidth {self.bytes_per_s!r}: use a whole number of bytes a second, 1 or more")

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        return self.base_ns + (size_bytes * 1_000_000_000 + self.bytes_per_s // 2) // self.bytes_per_s

    @property
    def spec(self) -> str:
        return f"bytes:{format_duration_ns(self.base_ns)},{format_bandwidth(self.bytes_per_s)}"


@dataclass(frozen=True, slots=True)
class Tail:
    """The inner model, but rarely longer: with this probability the duration is multiplied by `factor`, plus `add_ns`.

    `tail:p=0.01,x=20,fixed:50us` or `tail:p=0.01,add=5ms,fixed:50us`. The inner model may be a tail too.
    """

    probability: float
    inner: Model
    factor: float = 1.0
    add_ns: int = 0

    def __post_init__(self) -> None:
        _check_number("p", self.probability, 0, 1)
        _check_number("x", self.factor, 0, 1_000_000_000)
        check_ns("add", self.add_ns)
        _check_model("tail", self.inner)
        if self.factor != 1 and self.add_ns:
            raise UsageError(
                f"tail with x={self.factor} and add={self.add_ns} ns: use one of them, or put a second tail inside"
            )

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        duration_ns = self.inner.draw_ns(op, size_bytes, rng)
        if rng.random() >= self.probability:
            return duration_ns
        if self.factor != 1:
            duration_ns = int(duration_ns * self.factor)
        return min(duration_ns + self.add_ns, MAX_NS)

    @property
    def spec(self) -> str:
        how = f"add={format_duration_ns(self.add_ns)}" if self.add_ns else f"x={format_number(self.factor)}"
        return f"tail:p={format_number(self.probability)},{how},{self.inner.spec}"


@dataclass(frozen=True, slots=True)
class PerOperation:
    """A model for each kernel that is named, and one for all others. `per-op:rsa-sign=fixed:1ms;*=bytes:1us,2GB/s`"""

    table: Mapping[str, Model]
    default: Model

    def __post_init__(self) -> None:
        for op, model in self.table.items():
            if not op or op == "*" or any(mark in op for mark in _RESERVED):
                raise UsageError(f"per-op operation {op!r}: use a kernel's name, without any of {_RESERVED}")
            _check_model(f"per-op {op}", model)
        _check_model("per-op *", self.default)
        # A copy that nobody can change, because the model is immutable.
        object.__setattr__(self, "table", MappingProxyType(dict(self.table)))

    def __hash__(self) -> int:
        # A mapping has no hash, but equal tables have equal specs.
        return hash(self.spec)

    def draw_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        return self.table.get(op, self.default).draw_ns(op, size_bytes, rng)

    @property
    def spec(self) -> str:
        rows = [f"{op}={self.table[op].spec}" for op in sorted(self.table)]
        return "per-op:" + ";".join([*rows, f"*={self.default.spec}"])


def _check_number(what: str, value: object, low: float, high: float) -> None:
    # The comparison is written so that a NaN is refused too.
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        raise UsageError(f"{what} {value!r}: use a number from {low} to {high}")


def _check_model(what: str, model: object) -> None:
    if not isinstance(model, Model):
        raise UsageError(f"{what} of {model!r}: give a model such as Fixed(50_000)")
    if isinstance(model, PerOperation):
        raise UsageError(f"{what}: per-op is inside another model: put it outermost")
