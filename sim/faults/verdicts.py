"""The verdicts: what a fault rule may decide about a request. Each class is one kind of fault. Verdicts are immutable.

`kind` is the fault's name in texts, counts and traces. `about` is what `simaccel help faults` tells of it and its keys.
A constructor raises UsageError for values that make no sense. To add a fault, add a class here and to `KINDS`, and a
handler to `handlers`. If it has a field that no other verdict has, add the key of that field to `text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sim.errors import UsageError
from sim.timing.quantities import check_count, check_ns


@dataclass(frozen=True, slots=True)
class Verdict:
    """The base of all verdicts."""

    kind: ClassVar[str] = "verdict"
    about: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Pass(Verdict):
    """No fault; the next rule is asked."""

    kind: ClassVar[str] = "pass"


@dataclass(frozen=True, slots=True)
class Fail(Verdict):
    """The request completes at its normal time, without a result, and with DeviceError and this status."""

    kind: ClassVar[str] = "fail"
    about: ClassVar[str] = "it completes with an error: status=WORD"
    status: str = "device-error"

    def __post_init__(self) -> None:
        if not isinstance(self.status, str) or not self.status or not set(self.status).isdisjoint(" ,;=\n\r\t"):
            raise UsageError(f"fail status {self.status!r}: use text without blanks and without any of , ; =")


@dataclass(frozen=True, slots=True)
class Corrupt(Verdict):
    """Bits of the request's result are flipped: the bits of `mask` in each byte at `offsets`. -1 is the last byte.

    Without offsets one byte is corrupted, and without a mask one bit; the seed decides which. An offset outside of the
    result is taken modulo its length. So every result is corrupted, except an empty one.
    """

    kind: ClassVar[str] = "corrupt"
    about: ClassVar[str] = "bits of its result are flipped: bytes=N+N, bits=0x01"
    offsets: tuple[int, ...] | None = None
    mask: int | None = None

    def __post_init__(self) -> None:
        if self.offsets is not None and not (
            isinstance(self.offsets, tuple) and self.offsets and all(_is_int(offset) for offset in self.offsets)
        ):
            raise UsageError(f"corrupt offsets {self.offsets!r}: use a tuple of whole numbers, or None for any byte")
        if self.mask is not None and not (_is_int(self.mask) and 1 <= self.mask <= 255):
            raise UsageError(f"corrupt mask {self.mask!r}: use a number from 1 to 255, or None for any bit")


@dataclass(frozen=True, slots=True)
class Lose(Verdict):
    """The request never completes. It keeps its slot until a reset, a removal, or the end of the device."""

    kind: ClassVar[str] = "lose"
    about: ClassVar[str] = "it never completes, and keeps its slot"


@dataclass(frozen=True, slots=True)
class Hold(Verdict):
    """The request completes when it is released: by `faults.release()`, or when the rule's guard is left."""

    kind: ClassVar[str] = "hold"
    about: ClassVar[str] = "it completes when it is released"


@dataclass(frozen=True, slots=True)
class Delay(Verdict):
    """The request completes this much later. Only the completion is late: its unit is free at the normal time."""

    kind: ClassVar[str] = "delay"
    about: ClassVar[str] = "it completes late: by=TIME"
    by_ns: int = 1_000_000

    def __post_init__(self) -> None:
        check_ns("delay by", self.by_ns)


@dataclass(frozen=True, slots=True)
class Reorder(Verdict):
    """The request completes after the next `past` completions, or `within_ns` late if these have not come by then."""

    kind: ClassVar[str] = "reorder"
    about: ClassVar[str] = "it completes after later requests: past=N, within=TIME"
    past: int = 1
    within_ns: int = 1_000_000

    def __post_init__(self) -> None:
        check_count("reorder past", self.past)
        check_ns("reorder within", self.within_ns)


@dataclass(frozen=True, slots=True)
class Duplicate(Verdict):
    """The request completes, and `after_ns` later it completes again. The second completion has no slot, and is counted
    as spurious."""

    kind: ClassVar[str] = "duplicate"
    about: ClassVar[str] = "it completes twice: after=TIME"
    after_ns: int = 0

    def __post_init__(self) -> None:
        check_ns("duplicate after", self.after_ns)


@dataclass(frozen=True, slots=True)
class SpuriousWake(Verdict):
    """The request's waiter is woken `after_ns` after the device fetched it, although it has not completed.

    For this the request needs a method `wake`, which those of an engine have. Code that polls is told in any case that
    there is something to poll for.
    """

    kind: ClassVar[str] = "spurious-wake"
    about: ClassVar[str] = "its waiter is woken for nothing: after=TIME"
    after_ns: int = 0

    def __post_init__(self) -> None:
        check_ns("spurious-wake after", self.after_ns)


@dataclass(frozen=True, slots=True)
class EarlyWake(Verdict):
    """The request's waiter is woken when it should complete, and it completes `by_ns` later. See SpuriousWake."""

    kind: ClassVar[str] = "early-wake"
    about: ClassVar[str] = "its waiter is woken before the completion: by=TIME"
    by_ns: int = 1_000

    def __post_init__(self) -> None:
        check_ns("early-wake by", self.by_ns)


@dataclass(frozen=True, slots=True)
class LoseInterrupt(Verdict):
    """The request completes, but no interrupt tells of it: the next interrupt or poll finds it."""

    kind: ClassVar[str] = "lose-interrupt"
    about: ClassVar[str] = "its owner hears of the completion at the next interrupt"


@dataclass(frozen=True, slots=True)
class StickDoorbell(Verdict):
    """The doorbell has no effect when it rings for this request, nor the next `rings` - 1 times. The device sees the
    request when the doorbell rings after that."""

    kind: ClassVar[str] = "stick-doorbell"
    about: ClassVar[str] = "the device sees it at a later doorbell: rings=N"
    rings: int = 1

    def __post_init__(self) -> None:
        check_count("stick-doorbell rings", self.rings)


@dataclass(frozen=True, slots=True)
class PartialBatch(Verdict):
    """The device stops fetching after this request. Later requests start after `for_ns` at the soonest."""

    kind: ClassVar[str] = "partial-batch"
    about: ClassVar[str] = "requests fetched after it must wait: for=TIME"
    for_ns: int = 10_000

    def __post_init__(self) -> None:
        check_ns("partial-batch for", self.for_ns)


@dataclass(frozen=True, slots=True)
class Reject(Verdict):
    """The request is not taken: submit returns False, as if the ring were full, or raises RejectedError if `fatal`.

    Give such a rule a `count`. Otherwise it rejects every try, and code that retries without a limit never ends.
    """

    kind: ClassVar[str] = "reject"
    about: ClassVar[str] = "it is refused: as=eagain or as=fatal"
    fatal: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.fatal, bool):
            raise UsageError(f"reject fatal={self.fatal!r}: use True or False")


@dataclass(frozen=True, slots=True)
class StallUnit(Verdict):
    """A unit starts nothing for this long: the unit of that number, or the one that would have taken the request."""

    kind: ClassVar[str] = "stall"
    about: ClassVar[str] = "a unit starts nothing for a while: for=TIME, unit=N"
    for_ns: int = 1_000_000
    unit: int | None = None

    def __post_init__(self) -> None:
        check_ns("stall for", self.for_ns)
        if self.unit is not None and (not _is_int(self.unit) or self.unit < 0):
            raise UsageError(f"stall unit {self.unit!r}: use the number of a unit, from 0, or None")


@dataclass(frozen=True, slots=True)
class Reset(Verdict):
    """The device resets `after_ns` after it fetched the request: all that is in flight fails with ResetError."""

    kind: ClassVar[str] = "reset"
    about: ClassVar[str] = "all in flight fails, and the device goes on: after=TIME"
    after_ns: int = 0

    def __post_init__(self) -> None:
        check_ns("reset after", self.after_ns)


@dataclass(frozen=True, slots=True)
class Remove(Verdict):
    """The device is removed `after_ns` after it fetched the request: all that is in flight fails with RemovedError, and
    so does every submit until `faults.plug_in()`."""

    kind: ClassVar[str] = "remove"
    about: ClassVar[str] = "the device is gone, and everything fails: after=TIME"
    after_ns: int = 0

    def __post_init__(self) -> None:
        check_ns("remove after", self.after_ns)


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
