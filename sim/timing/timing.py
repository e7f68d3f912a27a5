"""A timing: how long a request keeps its unit busy (the service), and how long it takes after that (the latency)."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from sim.errors import UsageError
from sim.timing.models import Fixed, Model

_NOTHING = Fixed(0)


@dataclass(frozen=True, slots=True)
class Timing:
    """A service model and a latency model. Immutable. Only the thread that owns a generator may draw with it.

    A unit does one service at a time, so the service limits the rate to units / service. The latency (transfers, the
    interrupt) begins when the unit is free again, so it limits no rate. `units` is how many units the card of a preset
    has; None leaves the number to the device. Raises UsageError for anything that is not a model, and for bad `units`.
    """

    service: Model = field(default=_NOTHING)
    latency: Model = field(default=_NOTHING)
    units: int | None = None
    preset: str | None = None

    def __post_init__(self) -> None:
        for what, model in (("service", self.service), ("latency", self.latency)):
            if not isinstance(model, Model):
                raise UsageError(f"{what} {model!r}: give a model such as Fixed(50_000), or use parse_timing for text")
        units = self.units
        if units is not None and (not isinstance(units, int) or isinstance(units, bool) or units < 1):
            raise UsageError(f"units={units!r}: use a whole number, 1 or more, or None")

    def service_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        """How long a unit is busy with one request of the kernel `op` with a payload of that size."""
        return self.service.draw_ns(op, size_bytes, rng)

    def latency_ns(self, op: str, size_bytes: int, rng: random.Random) -> int:
        """How long after its service a request completes."""
        return self.latency.draw_ns(op, size_bytes, rng)

    @property
    def spec(self) -> str:
        """The text form, so that parse_timing(timing.spec) == timing. For `trace:` only while its file is the same."""
        if self.preset is not None:
            return f"preset:{self.preset}"
        if self.latency != _NOTHING:
            return f"{self.service.spec}+{self.latency.spec}"
        return "none" if self.service == _NOTHING else self.service.spec


INSTANT = Timing()
