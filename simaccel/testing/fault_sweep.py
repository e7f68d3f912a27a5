"""`sweep` runs a scenario in which the first operation meets a fault, then one in which the second does, up to the
last. It does so with every fault. The command `simaccel sweep` is something else: a grid of simulated loads.

This is for a device what fail-nth is for allocations in the Linux kernel. Code may meet a fault only once in a million
operations; here it meets the fault at each of its operations, and the sweep reports what breaks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from engine.errors import DeadlineError, OperationError, RingFullError, UsageError
from sim import Accelerator, VirtualClock
from sim.faults import KINDS, Reject, Verdict, When, format_fault, parse_faults
from simaccel.testing.invariants import check_invariants

EVERY_FAULT: tuple[Verdict, ...] = (*(kind() for kind in KINDS.values()), Reject(fatal=True))
"""A fault of each kind, and both ways to reject a request."""
TOLD = (OperationError, DeadlineError, RingFullError)
"""Exceptions with which a scenario may end, because they tell the caller that an operation failed."""


@dataclass(frozen=True, slots=True)
class SweepStep:
    """The scenario, with one fault at one of its operations."""

    rule: When
    error: BaseException | None
    """What the scenario raised, or the invariant that did not hold. None if the scenario survived the fault."""
    met: bool
    """Whether an operation met the fault. Once something fails, a scenario may do fewer operations."""

    @property
    def fault(self) -> str:
        """The fault as text, as `Accelerator(faults=...)` and --fault take it."""
        return format_fault(self.rule)

    def __str__(self) -> str:
        return self.fault if self.error is None else f"{self.fault}: {type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """The result of a sweep. It is true if the code under test survived every fault."""

    operations: int
    """How many operations the scenario does without a fault."""
    steps: tuple[SweepStep, ...]

    @property
    def broken(self) -> tuple[SweepStep, ...]:
        """The steps that broke the code under test."""
        return tuple(step for step in self.steps if step.error is not None)

    def __bool__(self) -> bool:
        return not self.broken

    def __str__(self) -> str:
        broken = self.broken
        head = (
            f"{self.operations} operations, {len(self.steps)} faults, {len(broken)} of which broke the code under test"
        )
        return "\n".join([head, *(f"  {step}" for step in broken)])


def sweep(
    scenario: Callable[[Accelerator], object],
    faults: Iterable[Verdict | str] = EVERY_FAULT,
    *,
    make: Callable[..., Accelerator] | None = None,
    told: tuple[type[BaseException], ...] = TOLD,
) -> SweepReport:
    """Run `scenario(accel)` with each fault at each of its operations, each time on a new device in virtual time.

    `make(**options)` makes the device, and must pass the options on, as in `Accelerator(depth=4, **options)`. The
    scenario makes its own engine. It breaks if it raises an exception that is not in `told`, or if an invariant does
    not hold after it. Give the engine a deadline. Without one, a scenario can't survive a lost completion, and the
    sweep reports StalledError.

    If the scenario raises without a fault, this raises the same. Raises UsageError if the scenario submits nothing.
    """
    if not callable(scenario):
        raise UsageError(f"scenario={scenario!r}: give a function of the accelerator")
    verdicts = list(_verdicts(faults))
    make = Accelerator if make is None else make
    with make(seed=0, clock=VirtualClock()) as accel:
        scenario(accel)
        operations = accel.statistics().submitted
    if not operations:
        raise UsageError("a scenario that submits nothing: run its operations on the accelerator that it is given")
    return SweepReport(
        operations,
        tuple(
            _step(scenario, make, When(verdict, nth=nth), told)
            for verdict in verdicts
            for nth in range(1, operations + 1)
        ),
    )


def _verdicts(faults: Iterable[Verdict | str]) -> Iterator[Verdict]:
    for fault in [faults] if isinstance(faults, str) else faults:
        if isinstance(fault, str):
            for rule in parse_faults(fault):
                if rule != When(rule.verdict):
                    raise UsageError(
                        f"fault {fault!r}: leave out the items that say when, such as nth=; the sweep decides when"
                    )
                yield rule.verdict
        else:
            yield When(fault).verdict  # raises UsageError for anything but a verdict


def _step(
    scenario: Callable[[Accelerator], object],
    make: Callable[..., Accelerator],
    rule: When,
    told: tuple[type[BaseException], ...],
) -> SweepStep:
    error: BaseException | None = None
    accel = make(seed=0, clock=VirtualClock(), faults=[rule])
    try:
        with suppress(*told):
            scenario(accel)
        check_invariants(accel)
    except Exception as raised:
        error = raised
    finally:
        accel.close(drain=False)
    return SweepStep(rule, error, bool(accel.faults.counts))
