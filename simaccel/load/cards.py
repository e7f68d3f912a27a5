"""A card, as sizing sees it: its units, its ring, how long operations take, and the largest load that it can do."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from statistics import fmean

from sim.errors import UsageError
from sim.randomness import Randomness
from sim.ring import SubmissionRing
from sim.timing import Exponential, Fixed, Lognormal, Model, PerByte, PerOperation, Recorded, Tail, Timing, Uniform
from sim.timing.parse import as_timing
from sim.units import UnitBank
from simaccel.load.mix import Mix

SAMPLES = 20_000
"""How many durations are drawn to find the mean of a user's own model."""


@dataclass(frozen=True, slots=True)
class Card:
    """One card: its timing, its units (None: those of the preset, or 1) and the slots of its ring."""

    timing: Timing
    units: int
    depth: int

    @classmethod
    def of(cls, latency: Timing | Model | str, units: int | None = None, depth: int = 256) -> Card:
        """A card of these values, as `Accelerator` takes them. Raises UsageError, also if the model takes no time."""
        timing = as_timing(latency)
        card = cls(timing, units if units is not None else timing.units or 1, depth)
        UnitBank(card.units)
        SubmissionRing(card.depth)
        return card

    def service_ns(self, mix: Mix) -> float:
        """How long one transaction of the mix keeps a unit busy, on average, over all its operations."""
        return sum(share * mean_ns(self.timing.service, *_of(step)) for step, share in mix.shares().items())

    def bare_ns(self, mix: Mix) -> float:
        """How long one transaction takes if it never waits for a unit or a slot, on average."""
        timing = self.timing
        return self.service_ns(mix) + sum(
            share * mean_ns(timing.latency, *_of(step)) for step, share in mix.shares().items()
        )

    def most_per_s(self, mix: Mix) -> float:
        """How many transactions a second it can do, by its units and by its ring; inf if nothing takes time."""
        return min(self.units_per_s(mix), self.ring_per_s(mix))

    def units_per_s(self, mix: Mix) -> float:
        """The rate that its units can do: units / service."""
        service_ns = self.service_ns(mix)
        return self.units * 1e9 / service_ns if service_ns else math.inf

    def ring_per_s(self, mix: Mix) -> float:
        """The rate that its ring can hold. Each operation keeps a slot for as long as it takes."""
        bare_ns = self.bare_ns(mix)
        return self.depth * 1e9 / bare_ns if bare_ns else math.inf

    def check_load(self, rate_per_s: float, mix: Mix, cards: int, rate_text: str) -> float:
        """The utilisation at this rate, from 0 to below 1. Raises UsageError if that is not below 1."""
        most = self.most_per_s(mix) * cards
        if rate_per_s >= most:
            many = f"{cards} cards do" if cards > 1 else "the card does"
            raise UsageError(
                f"rate {rate_text} with {mix.spec}: {many} at most {most:,.0f}/s, so the queue would grow for ever "
                f"(utilisation {rate_per_s / most:.2f}); use a lower rate, more cards or more units"
            )
        return rate_per_s / (self.units_per_s(mix) * cards)


def _of(step: object) -> tuple[str, int]:
    return step.op, step.size_bytes  # type: ignore[attr-defined]


def mean_ns(model: Model, op: str, size_bytes: int) -> float:
    """The mean duration of one operation: by a formula, or over 20,000 draws if the model is a user's own."""
    if isinstance(model, PerOperation):
        return mean_ns(model.table.get(op, model.default), op, size_bytes)
    if isinstance(model, Tail):
        inner = mean_ns(model.inner, op, size_bytes)
        return inner + model.probability * (inner * (model.factor - 1) + model.add_ns)
    if isinstance(model, Fixed | PerByte):
        return float(model.draw_ns(op, size_bytes, Random(0)))
    if isinstance(model, Uniform):
        return (model.low_ns + model.high_ns) / 2
    if isinstance(model, Lognormal):
        return model.median_ns * math.exp(model.sigma**2 / 2)
    if isinstance(model, Exponential):
        return float(model.mean_ns)
    if isinstance(model, Recorded):
        return fmean(model.durations_ns)
    rng = Randomness(0).stream("mean")
    return fmean(model.draw_ns(op, size_bytes, rng) for _ in range(SAMPLES))
