"""What a fault rule may decide about a request. Each verdict is one kind of fault, and immutable.

Every constructor raises UsageError for values that can't be. `kind` is the fault's name in texts, counts and traces.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.errors import UsageError
from sim.timing.quantities import MAX_NS


@dataclass(frozen=True, slots=True)
class Verdict:
    """The root of all verdicts."""

    kind: ClassVar[str] = "verdict"


@dataclass(frozen=True, slots=True)
class Pass(Verdict):
    """No fault; the next rule is asked."""

    kind: ClassVar[str] = "pass"


@dataclass(frozen=True, slots=True)
class Fail(Verdict):
    """It completes when it would have, with DeviceError and that status, and without a result."""

    kind: ClassVar[str] = "fail"
    status: str = "device-error"

    def __post_init__(self) -> None:
        if not isinstance(self.status, str) or not self.status or not set(self.status).isdisjoint(" ,;=\n\r\t"):
            raise UsageError(f"fail status {self.status!r}: use text without blanks and without any of , ; =")


@dataclass(frozen=True, slots=True)
class Corrupt(Verdict):
    """Bits of its result are flipped: those of `mask` in each byte at `offsets`; -1 is the last byte.

    Without offsets one byte, without a mask one bit, drawn from the seed. An offset outside of the result is taken
    modulo its length, so that something is corrupted in any case - but in an empty result.
    """

    kind: ClassVar[str] = "corrupt"
    offsets: tuple[int, ...] | None = None
    mask: int | None = None

    def __post_init__(self) -> None:
        if self.offsets is not None and not (
            isinstance(self.offsets, tuple) and self.offsets and all(_is_int(offset) for offset in self.offsets)
        ):
            raise UsageError(f"corrupt offsets {self.offsets!r}: use a tuple of whole numbers, or None for any byte")
        if self.mask is not None and not (_is_int(self.mask) and 1 <= self.mask <= 255):
            raise UsageError(f"corrupt mask {self.mask!r}: use 1 to 255, a bit each, or None for any bit")


@dataclass(frozen=True, slots=True)
class Lose(Verdict):
    """It never completes, and keeps its slot until a reset, a removal, or the end of the device."""

    kind: ClassVar[str] = "lose"


@dataclass(frozen=True, slots=True)
class Hold(Verdict):
    """It completes when it is released: by `faults.release()`, or by the end of the rule's guard."""

    kind: ClassVar[str] = "hold"


@dataclass(frozen=True, slots=True)
class Delay(Verdict):
    """It completes so much later. Its unit is free in time: it is the completion that is late."""

    kind: ClassVar[str] = "delay"
    by_ns: int = 1_000_000

    def __post_init__(self) -> None:
        _check_ns("delay by", self.by_ns)


@dataclass(frozen=True, slots=True)
class Reorder(Verdict):
    """It completes behind the next `past` completions, or `within_ns` late if there are not so many."""

    kind: ClassVar[str] = "reorder"
    past: int = 1
    within_ns: int = 1_000_000

    def __post_init__(self) -> None:
        _check_count("reorder past", self.past)
        _check_ns("reorder within", self.within_ns)


@dataclass(frozen=True, slots=True)
class Duplicate(Verdict):
    """It completes, and `after_ns` later once more. The second completion takes no slot and counts as spurious."""

    kind: ClassVar[str] = "duplicate"
    after_ns: int = 0

    def __post_init__(self) -> None:
        _check_ns("duplicate after", self.after_ns)


@dataclass(frozen=True, slots=True)
class SpuriousWake(Verdict):
    """Its waiter is woken `after_ns` after the device fetched it, though it is not complete by then.

    Needs a request with a `wake` method, as the engine's have; whoever polls is notified for nothing in any case.
    """

    kind: ClassVar[str] = "spurious-wake"
    after_ns: int = 0

    def __post_init__(self) -> None:
        _check_ns("spurious-wake after", self.after_ns)


@dataclass(frozen=True, slots=True)
class EarlyWake(Verdict):
    """Its waiter is woken when it should complete, and it completes `by_ns` later. Needs what SpuriousWake needs."""

    kind: ClassVar[str] = "early-wake"
    by_ns: int = 1_000

    def __post_init__(self) -> None:
        _check_ns("early-wake by", self.by_ns)


@dataclass(frozen=True, slots=True)
class LoseInterrupt(Verdict):
    """It completes, but nobody is told: the next interrupt or poll finds it."""

    kind: ClassVar[str] = "lose-interrupt"


@dataclass(frozen=True, slots=True)
class StickDoorbell(Verdict):
    """Its doorbell, and the `rings` - 1 after it, have no effect: the device sees it at the next one that works."""

    kind: ClassVar[str] = "stick-doorbell"
    rings: int = 1

    def __post_init__(self) -> None:
        _check_count("stick-doorbell rings", self.rings)


@dataclass(frozen=True, slots=True)
class PartialBatch(Verdict):
    """The device's look at the ring ends with it: what came behind it is started no sooner than `for_ns` later."""

    kind: ClassVar[str] = "partial-batch"
    for_ns: int = 10_000

    def __post_init__(self) -> None:
        _check_ns("partial-batch for", self.for_ns)


@dataclass(frozen=True, slots=True)
class Reject(Verdict):
    """It is not taken: submit answers False, as if the ring were full, or raises RejectedError if `fatal`.

    A rule that rejects every try keeps code that tries again for ever busy for ever: give it a count.
    """

    kind: ClassVar[str] = "reject"
    fatal: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.fatal, bool):
            raise UsageError(f"reject fatal={self.fatal!r}: use True or False")


@dataclass(frozen=True, slots=True)
class StallUnit(Verdict):
    """A unit starts nothing for that long from now: this one, or the one that would have taken the request."""

    kind: ClassVar[str] = "stall"
    for_ns: int = 1_000_000
    unit: int | None = None

    def __post_init__(self) -> None:
        _check_ns("stall for", self.for_ns)
        if self.unit is not None and (not _is_int(self.unit) or self.unit < 0):
            raise UsageError(f"stall unit {self.unit!r}: use the number of a unit, from 0, or None")


@dataclass(frozen=True, slots=True)
class Reset(Verdict):
    """`after_ns` after it was fetched the device resets: all that is in flight, it too, fails with ResetError."""

    kind: ClassVar[str] = "reset"
    after_ns: int = 0

    def __post_init__(self) -> None:
        _check_ns("reset after", self.after_ns)


@dataclass(frozen=True, slots=True)
class Remove(Verdict):
    """`after_ns` after it was fetched the device is gone: all that is in flight, it too, fails with RemovedError, and
    so does every submit until `faults.plug_in()`."""

    kind: ClassVar[str] = "remove"
    after_ns: int = 0

    def __post_init__(self) -> None:
        _check_ns("remove after", self.after_ns)


PASS = Pass()

KINDS: dict[str, type[Verdict]] = {
    made.kind: made
    for made in (
        Fail,
        Corrupt,
        Lose,
        Hold,
        Delay,
        Reorder,
        Duplicate,
        SpuriousWake,
        EarlyWake,
        LoseInterrupt,
        StickDoorbell,
        PartialBatch,
        Reject,
        StallUnit,
        Reset,
        Remove,
    )
}
"""Every kind of fault by its name."""


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_ns(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_NS:
        raise UsageError(f"{what} {value!r}: use a whole number of ns, 0 to {MAX_NS}")


def _check_count(what: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise UsageError(f"{what} {value!r}: use a whole number, 1 or more")
