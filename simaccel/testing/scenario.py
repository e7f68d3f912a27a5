"""A scenario: jobs, an engine in one of its modes, a device and its faults, all described by a few values.

In virtual time, equal descriptions give traces that are equal to the byte. `draw` makes a scenario from a seed. With
enough seeds, all modes meet all faults. Each scenario ends with a calm phase, in which everything must work again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any, Self

from engine.errors import UsageError
from engine.modes import CONTRACTS, NOTIFY
from sim.faults import KINDS, parse_faults
from sim.randomness import Randomness
from sim.timing import parse_timing

DRIVES = ("scheduler", "asyncio", "hand", "blocking")
"""What runs the jobs: a Scheduler; an asyncio loop; or, by hand, code that resumes and cancels at random (only in
virtual time). With "blocking" there are no jobs: the calls block their threads, of which there are several in real
time."""
RETRIES = ("space", "at_once", "backoff")
OPS = ("echo", "sha256", "sha384")


@dataclass(frozen=True, slots=True)
class Scenario:
    """The values that describe a scenario. Raises UsageError for invalid ones."""

    seed: int
    notify: str = "fd"
    contract: str = "qat"
    retry: str = "space"
    drive: str = "scheduler"
    jobs: int = 8
    operations: int = 5
    """How many operations each job does, one after the other."""
    depth: int = 4
    units: int = 2
    latency: str = "uniform:5us,50us"
    coalescing: int = 1
    deadline_ns: int = 2_000_000
    faults: tuple[str, ...] = ()
    real: bool = False
    """Whether it runs in real time, with a worker thread."""

    def __post_init__(self) -> None:
        for name, allowed in (("notify", NOTIFY), ("contract", CONTRACTS), ("retry", RETRIES), ("drive", DRIVES)):
            if getattr(self, name) not in allowed:
                raise UsageError(f"a scenario with {name}={getattr(self, name)!r}: use one of {', '.join(allowed)}")
        for name in ("jobs", "operations", "depth", "units", "coalescing", "deadline_ns"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"a scenario with {name}={value!r}: use a whole number, 1 or more")
        if self.real and self.drive == "hand":
            raise UsageError("a scenario in real time that is driven by hand: use virtual time")
        if not isinstance(self.faults, tuple):
            raise UsageError(f"a scenario with faults={self.faults!r}: use a tuple of texts")
        Randomness(self.seed)
        parse_timing(self.latency)
        for text in self.faults:
            parse_faults(text)

    @classmethod
    def draw(cls, seed: int, *, real: bool = False) -> Self:
        """The scenario for this seed. Neighbouring seeds differ in the mode, so that a few of them cover all modes."""
        rng = Randomness(seed).stream("scenario")
        drives = [drive for drive in DRIVES if not (real and drive == "hand")]
        return cls(
            seed=seed,
            notify=NOTIFY[seed % len(NOTIFY)],
            contract=CONTRACTS[seed // len(NOTIFY) % len(CONTRACTS)],
            drive=drives[seed // 15 % len(drives)],
            retry=_pick(rng, RETRIES),
            jobs=_between(rng, 1, 10),
            operations=_between(rng, 1, 6),
            depth=_pick(rng, (1, 2, 4, 16)),
            units=_between(rng, 1, 3),
            latency=_pick(rng, ("none", "fixed:20us", "uniform:5us,50us", "fixed:10us+uniform:0s,40us")),
            coalescing=_pick(rng, (1, 1, 4)),
            deadline_ns=20_000_000 if real else 2_000_000,
            faults=tuple(_draw_fault(rng) for _ in range(_between(rng, 0, 5))),
            real=real,
        )

    def to_dict(self) -> dict[str, Any]:
        """The description as a dict for JSON."""
        return {**asdict(self), "faults": list(self.faults)}

    @classmethod
    def from_dict(cls, described: Mapping[str, Any]) -> Self:
        """The scenario of a dict from `to_dict`. Raises UsageError for any other."""
        names = {field.name for field in fields(cls)}
        if set(described) != names or not isinstance(described["faults"], list):
            raise UsageError(f"a scenario is described by {', '.join(sorted(names))}, and nothing else")
        return cls(**{**described, "faults": tuple(described["faults"])})


def _draw_fault(rng: Random) -> str:
    kind = _pick(rng, tuple(KINDS))
    trigger = _pick(rng, ("nth={}", "every={}", "p=0.2", "depth={}", "op=sha256", "from=20us,until=200us", ""))
    items = [trigger.format(_between(rng, 1, 6)), f"count={_between(rng, 1, 4)}"]
    if kind == "reject":
        items.append(_pick(rng, ("as=eagain", "as=fatal")))
    if kind == "stick-doorbell":
        items.append(f"rings={_between(rng, 1, 3)}")
    return f"{kind}:{','.join(item for item in items if item)}"


# Not choice and randrange: only random() and getrandbits() give the same numbers in all versions of Python.


def _pick(rng: Random, values: tuple[Any, ...]) -> Any:
    return values[int(rng.random() * len(values))]


def _between(rng: Random, low: int, high: int) -> int:
    return low + int(rng.random() * (high - low + 1))
