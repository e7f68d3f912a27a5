"""The options of an open load: `--rate`, `--arrivals`, `--for`, `--mix` and `--handshake`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.errors import UsageError
from sim.randomness import Randomness
from simaccel.cli.workload.times import positive_ns
from simaccel.load import Arrivals, Mix, parse_arrivals, parse_handshake, parse_mix, parse_rate

DEFAULT_OPEN_JOBS = 1_024
MOST_ARRIVALS = 10_000_000
"""The most that may arrive. Some 200 bytes are kept for each: its times and its latency."""


@dataclass(frozen=True, slots=True)
class OpenLoad:
    """What arrives, and when."""

    arrivals: Arrivals
    mix: Mix
    count: int | None
    """How many arrivals. None for as many as there are in `for_ns`."""
    for_ns: int | None

    def times_ns(self, seed: int) -> Sequence[int]:
        """The intended times, from 0 on, in order."""
        rng = Randomness(seed).stream("arrivals")
        if self.for_ns is None:
            assert self.count is not None, "a load without an end"
            whole: list[int] = self.arrivals.times_ns(self.count, rng).tolist()
            return whole
        expected = self.arrivals.rate_per_s * self.for_ns / 1e9
        times = self.arrivals.times_ns(math.ceil(expected + 10 * math.sqrt(expected) + 10), rng)
        within: list[int] = times[times <= self.for_ns][: self.count].tolist()
        return within

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, from which `from_dict` makes the same load."""
        kind, _, _ = self.arrivals.spec.rpartition(", ")
        return {
            "arrivals": kind,
            "rate_per_s": self.arrivals.rate_per_s,
            "mix": self.mix.spec,
            "count": self.count,
            "for_ns": self.for_ns,
        }

    @classmethod
    def from_dict(cls, described: object) -> OpenLoad:
        """The load of a recorded run. Raises UsageError if `described` does not describe one."""
        match described:
            case {
                "arrivals": str(arrivals),
                "rate_per_s": float(rate_per_s),
                "mix": str(mix),
                "count": int() | None as count,
                "for_ns": int() | None as for_ns,
            } if not arrivals.startswith("csv") and _is_bounded(rate_per_s, count, for_ns):
                return cls(parse_arrivals(arrivals, rate_per_s), parse_mix(mix), count, for_ns)
        raise UsageError(f"load {described!r} is not a valid value")

    @property
    def can_be_described(self) -> bool:
        """Whether `to_dict` says all of it: not for arrivals from a file, nor for weights with many digits."""
        try:
            return OpenLoad.from_dict(self.to_dict()) == self
        except ValueError:
            return False

    def kinds(self, count: int, seed: int) -> Sequence[int]:
        """For each of `count` arrivals, the number of its transaction in the mix."""
        return self.mix.draw(count, Randomness(seed).stream("mix"))


def _is_bounded(rate_per_s: float, count: int | None, for_ns: int | None) -> bool:
    """Whether this says how many arrivals there are, and they are not too many."""
    given = [value for value in (count, for_ns) if value is not None]
    if not given or not all(type(value) is int and value > 0 for value in given):
        return False
    most = min(math.inf if count is None else count, math.inf if for_ns is None else rate_per_s * for_ns / 1e9)
    return most <= MOST_ARRIVALS


def open_load(
    rate: str | None,
    arrivals: str | None,
    duration: str | None,
    count: int | None,
    mix: str | None,
    handshake: str | None,
    ops: Sequence[str],
    default_ops: Sequence[str],
    default_count: int,
) -> OpenLoad | None:
    """The open load of these options, or None if there is no rate and no recorded arrivals. Raises a UsageError.

    May block: it reads the file of recorded arrivals.
    """
    if rate is None and (arrivals is None or not arrivals.startswith("csv:")):
        given = {"--for": duration, "--mix": mix, "--handshake": handshake, "--arrivals": arrivals}
        for name, value in given.items():
            if value is not None:
                raise UsageError(f"{name} {value}: it is about an open load; add --rate, such as --rate 50k/s")
        return None
    if mix is not None and handshake is not None:
        raise UsageError(f"--mix {mix} and --handshake {handshake}: give one; a mix may have handshakes in it")
    if ops and (mix is not None or handshake is not None):
        raise UsageError(f"--op {ops[0]} and --{'mix' if mix is not None else 'handshake'}: give one of them")
    for_ns = None
    if duration is not None:
        for_ns = positive_ns("--for", duration)
    source = parse_arrivals(arrivals or "poisson", None if rate is None else parse_rate(rate))
    if for_ns is None and count is None:
        count = default_count if rate is not None else MOST_ARRIVALS
    elif for_ns is not None and (expected := source.rate_per_s * for_ns / 1e9) > MOST_ARRIVALS and count is None:
        raise UsageError(
            f"--for {duration} of {source.spec}: {expected:,.0f} arrivals, and at most {MOST_ARRIVALS:,} are kept; "
            "use a shorter time or a lower rate"
        )
    if mix is not None:
        chosen = parse_mix(mix)
    elif handshake is not None:
        chosen = parse_handshake(handshake)
    else:
        chosen = parse_mix(",".join(dict.fromkeys(default_ops)))
    return OpenLoad(source, chosen, count, for_ns)
