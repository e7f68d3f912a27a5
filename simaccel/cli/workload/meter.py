"""The meter of one way to be woken. It keeps the times of each operation, and makes rows of percentiles at the end."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from engine.offload.operation import Operation
from simaccel.cli.workload.results import PHASES, ResultRow
from simaccel.load import Latency


class _Samples:
    """The times of the operations of one kind. They take 40 bytes for each operation, so 400 MB for ten million."""

    __slots__ = ("bytes", "whole", *PHASES)

    def __init__(self) -> None:
        self.bytes = 0
        self.whole = array("q")
        self.slot = array("q")
        self.queue = array("q")
        self.service = array("q")
        self.wake = array("q")


class Meter:
    """Keeps the times of one way's operations. One thread."""

    def __init__(self) -> None:
        self._by_op: dict[str, _Samples] = {}
        self._last: Operation | None = None

    def observe(self, operation: Operation) -> None:
        """Called by the engine when an operation has ended, just before its caller goes on."""
        self._last = operation

    def record(self, called_ns: int) -> None:
        """Must be called when a call that began at called_ns has succeeded, before any other call ends."""
        operation = self._last
        assert operation is not None, "a call succeeded that the engine did not report"
        samples = self._by_op.get(operation.op)
        if samples is None:
            samples = self._by_op[operation.op] = _Samples()
        samples.bytes += len(operation.payload)
        samples.slot.append(operation.submitted_ns - called_ns)
        samples.queue.append(operation.started_ns - operation.submitted_ns)
        samples.service.append(operation.finished_ns - operation.started_ns)
        samples.wake.append(operation.resumed_ns - operation.finished_ns)
        samples.whole.append(operation.resumed_ns - called_ns)

    def rows(self) -> dict[str, ResultRow]:
        """One row for each kind of operation."""
        return {op: _row([samples]) for op, samples in self._by_op.items()}

    def total(self) -> ResultRow:
        """One row over all operations."""
        return _row(self._by_op.values())


def _row(parts: Iterable[_Samples]) -> ResultRow:
    whole = _Samples()
    for part in parts:
        whole.bytes += part.bytes
        for phase in (*PHASES, "whole"):
            getattr(whole, phase).extend(getattr(part, phase))
    latencies = {phase: Latency.of(getattr(whole, phase)) for phase in (*PHASES, "whole")}
    return ResultRow(len(whole.whole), whole.bytes, **latencies)
