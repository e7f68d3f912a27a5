"""The sweep: run a scenario with its first operation failing, then the second, up to the last; and so for every fault.

What fail-nth does for allocations in a kernel, done for a device: code that meets a fault only once in a million
operations meets it here at each of its operations, and what breaks it is reported.
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
"""One of each kind, and the second way to be rejected."""
TOLD = (OperationError, DeadlineError, RingFullError)
"""A scenario may end with one of these: its caller was told."""


@dataclass(frozen=True, slots=True)
class SweepStep:
    """The scenario, with one fault at one of its operations."""

    rule: When
    error: BaseException | None
    """What broke: raised by the scenario, or an invariant that did not hold. None: it stood the fault."""
    met: bool
    """Whether the fault was met: a scenario may do fewer operations once it is disturbed."""

    @property
    def fault(self) -> str:
        """The fault as text; `Accelerator(faults=...)` and --fault take it."""
        return format_fault(self.rule)

    def __str__(self) -> str:
        return self.fault if self.error is None else f"{self.fault}: {type(self.error).__name__}: {self.error}"


@dataclass(frozen=True, slots=True)
class SweepReport:
    """What came of a sweep. Truthy if the code under test stood every fault."""

    operations: int
    """Of the scenario when nothing disturbs it."""
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

    `make(**options)` makes the device and must pass the options on: `Accelerator(depth=4, **options)`. The scenario
    makes its own engine; it breaks if it raises anything but what is in `told`, or leaves an invariant broken. Give it
    a deadline: without one a lost completion is the end of it, and is reported as StalledError.

    Raises what the undisturbed scenario raises, and UsageError if that submits nothing.
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
                    raise UsageError(f"fault {fault!r}: a sweep says itself when; leave away what says when")
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
