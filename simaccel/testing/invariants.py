"""The invariants: what must hold whatever a device does to its requests. One checker serves all scenarios.

- No operation is lost: its job is told, by a result or by an exception.
- No result goes to the wrong job.
- No late completion does harm: it is dropped and counted.
- The statistics add up: submitted = completed + failed + orphaned + in flight.

`check_invariants` looks at devices and engines that have come to rest. A `Ledger` also knows each operation. To use
one, make the calls through it, and give it to the check.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from engine.engine import Engine
from engine.errors import EngineError
from hotpath.submittable import Submittable
from sim import Accelerator
from sim.faults import Corrupt, Verdict

MOST_PROBLEMS = 10
"""How many problems a message lists. More would say nothing new."""


class InvariantError(EngineError, AssertionError):
    """Something that must always hold does not. `problems` has a line for each such thing."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        shown = problems[:MOST_PROBLEMS]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more")
        super().__init__("\n".join(shown))


class LedgerEntry:
    """One operation in a ledger."""

    __slots__ = ("error", "expected", "key", "number", "op", "result", "told")

    def __init__(self, number: int, op: str, key: tuple[str, bytes, bytes], expected: bytes) -> None:
        self.number = number
        self.op = op
        self.key = key
        self.expected = expected
        self.told = False
        self.result: bytes | None = None
        self.error: BaseException | None = None

    def __str__(self) -> str:
        return f"operation {self.number}, {self.op} of {len(self.key[1])} bytes"


class Ledger:
    """Notes every operation that is called through it: its expected result, and what its caller was told.

    The payloads should all differ, so that a result that went to the wrong caller can be recognized. In virtual time
    one thread at a time may call, in real time any number.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.entries: list[LedgerEntry] = []
        self._corrupted: set[tuple[str, bytes, bytes]] = set()
        accel = engine.accel
        if isinstance(accel, Accelerator):
            accel.faults.observe(self._on_fault)

    def _on_fault(self, verdict: Verdict, request: Submittable) -> None:
        if isinstance(verdict, Corrupt):
            self._corrupted.add((request.op, request.payload, request.aux))

    def _open(self, op: str, payload: bytes, aux: bytes, expected: bytes) -> LedgerEntry:
        entry = LedgerEntry(len(self.entries) + 1, op, (op, payload, aux), expected)
        self.entries.append(entry)
        return entry

    def call(self, op: str, payload: bytes, expected: bytes, *, aux: bytes = b"", **options: Any) -> bytes:
        """The same as `engine.call`, and note the operation."""
        entry = self._open(op, payload, aux, expected)
        try:
            entry.result = self.engine.call(op, payload, aux=aux, **options)
        except BaseException as error:
            entry.error = error
            raise
        finally:
            entry.told = True
        return entry.result

    async def aio_call(self, op: str, payload: bytes, expected: bytes, *, aux: bytes = b"", **options: Any) -> bytes:
        """The same as `engine.aio.call`, and note the operation."""
        entry = self._open(op, payload, aux, expected)
        try:
            entry.result = await self.engine.aio.call(op, payload, aux=aux, **options)
        except BaseException as error:
            entry.error = error
            raise
        finally:
            entry.told = True
        return entry.result

    def problems(self) -> list[str]:
        """What does not hold for these operations, now that all should have ended."""
        problems: list[str] = []
        owners = {entry.expected: entry for entry in self.entries}
        for entry in self.entries:
            if not entry.told:
                problems.append(f"{entry} was lost: its job was never told")
            elif entry.result is not None and entry.result != entry.expected:
                owner = owners.get(entry.result)
                if owner is not None:
                    problems.append(f"{entry} was given the result of {owner}")
                elif entry.key not in self._corrupted or len(entry.result) != len(entry.expected):
                    problems.append(f"{entry} was given {entry.result.hex()} and not {entry.expected.hex()}")
        return problems + self._counts()

    def _counts(self) -> list[str]:
        """The problems if the engine has not counted exactly what was called."""
        told = [entry for entry in self.entries if entry.told]
        failed = sum(entry.error is not None for entry in told)
        counted = self.engine.statistics
        if (counted.operations, counted.failed) == (len(told), failed):
            return []
        return [
            f"the engine counts {counted.operations} operations, {counted.failed} of them failed, "
            f"and {len(told)} have ended, {failed} of them failed"
        ]


def check_invariants(
    accelerators: Accelerator | Iterable[Accelerator],
    engines: Engine | Iterable[Engine] = (),
    ledgers: Ledger | Iterable[Ledger] = (),
) -> None:
    """Check everything, once all jobs have ended. Raises InvariantError, which lists everything that does not hold.

    Requests that a fault keeps in the device (lost or held ones) may still be in flight. But their jobs must have been
    told by now.
    """
    problems: list[str] = []
    for accel in _each(accelerators, Accelerator):
        problems += _device_problems(accel)
    for engine in _each(engines, Engine):
        if engine.in_flight:
            problems.append(f"{engine!r}: operations are in flight whose jobs should have been told by now")
    for ledger in _each(ledgers, Ledger):
        problems += ledger.problems()
    if problems:
        raise InvariantError(problems)


def _device_problems(accel: Accelerator) -> list[str]:
    problems: list[str] = []
    counted = accel.statistics()
    ended = counted.completed + counted.failed + counted.orphaned
    if counted.submitted != ended + counted.in_flight:
        problems.append(
            f"{accel!r}: {counted.submitted} were submitted, but {counted.completed} completed + {counted.failed} "
            f"failed + {counted.orphaned} orphaned + {counted.in_flight} in flight are {ended + counted.in_flight}"
        )
    if counted.in_flight < 0 or counted.in_flight > accel.depth:
        problems.append(f"{accel!r}: {counted.in_flight} in flight on a ring of {accel.depth} slots")
    if counted.handler_errors:
        problems.append(f"{accel!r}: {counted.handler_errors} handlers of completions or timers raised")
    if counted.spurious > counted.faults.get("duplicate", 0):
        problems.append(
            f"{accel!r}: {counted.spurious} completions came for which nobody waited, but only "
            f"{counted.faults.get('duplicate', 0)} were sent twice on purpose"
        )
    return problems


def _each(given: Any, kind: type) -> Iterable[Any]:
    return [given] if isinstance(given, kind) else given
