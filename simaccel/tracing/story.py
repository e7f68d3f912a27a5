"""Where the time went, as a trace says it: the stages of each operation, and the moments when a ring was full.

A reader of a file calls the methods as it finds the events, in the order of the file. The stages of an operation:

    slot      from the call until it has a slot of the ring       service   until it is on the completion ring
    queue     until a unit takes it                               deliver   until it is handed out to its owner
                                                                  wake      until its caller goes on

A trace of a device alone shows no callers, so it has neither the first stage nor the last.
"""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from heapq import heappush, heappushpop
from itertools import pairwise

STAGES = ("slot", "queue", "service", "deliver", "wake")
LONGEST = 5
FULL_MOMENTS = 5


@dataclass(slots=True)
class OperationStory:
    """One operation, in ns. A time that is not known yet equals that of the stage before."""

    number: int
    op: str
    submitted_ns: int
    called_ns: int
    started_ns: int = -1
    completed_ns: int = -1
    handed_out_ns: int = -1
    resumed_ns: int = -1
    caller: str = ""

    def stages_ns(self) -> tuple[int, ...]:
        """The lengths of the stages, in the order of STAGES. None is below 0, even if the times are out of order."""
        times = [self.called_ns, self.submitted_ns]
        for time_ns in (self.started_ns, self.completed_ns, self.handed_out_ns, self.resumed_ns):
            times.append(times[-1] if time_ns < 0 else max(times[-1], time_ns))
        return tuple(max(0, after - before) for before, after in pairwise(times))


@dataclass(frozen=True, slots=True)
class FullMoment:
    """The ring was full."""

    begin_ns: int
    duration_ns: int
    holders: tuple[tuple[str, int], ...]
    """Who held the slots when it began: operations with their numbers, most first."""
    longest: OperationStory | None
    """Which of them had held its slot for longest."""


@dataclass(slots=True)
class DeviceStory:
    """What happened on one device."""

    name: str
    stages: dict[str, list[array[int]]] = field(default_factory=dict)
    """By operation: an array of ns for each of STAGES."""
    longest: list[tuple[int, int, OperationStory]] = field(default_factory=list)
    """A heap of (total in ns, minus its number, operation)."""
    full: list[tuple[int, int, FullMoment]] = field(default_factory=list)
    """A heap of the longest moments of a full ring: (duration in ns, minus the begin, moment)."""
    full_ns: int = 0
    full_times: int = 0
    waits: Counter[str] = field(default_factory=Counter)
    """Waits for a slot, by operation."""
    faults: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    has_callers: bool = False
    """Whether the trace shows when callers go on. If not, an operation ends when it is handed out."""
    first_ns: int = -1
    last_ns: int = 0
    in_flight: dict[int, OperationStory] = field(default_factory=dict)
    _full_since: tuple[int, tuple[tuple[str, int], ...], OperationStory | None] | None = None

    @property
    def operations(self) -> int:
        """How many operations have ended."""
        return sum(len(stages[0]) for stages in self.stages.values())

    @property
    def span_ns(self) -> int:
        """From the first submit to the last end."""
        return max(0, self.last_ns - max(0, self.first_ns))

    def submit(self, time_ns: int, number: int, op: str, called_ns: int = -1) -> None:
        """The operation has its slot."""
        if self.first_ns < 0:
            self.first_ns = time_ns
        self.in_flight[number] = OperationStory(number, op, time_ns, time_ns if called_ns < 0 else called_ns)

    def start(self, number: int, time_ns: int) -> None:
        """A unit takes the operation."""
        operation = self.in_flight.get(number)
        if operation is not None:
            operation.started_ns = time_ns

    def complete(self, time_ns: int, number: int, how: str) -> None:
        """The operation is on the completion ring."""
        operation = self.in_flight.get(number)
        if operation is not None:
            operation.completed_ns = time_ns
        if how:
            self.failures[how] += 1

    def hand_out(self, time_ns: int, number: int) -> None:
        """The operation has left its slot, and its owner is told. In a trace without callers this is its end."""
        operation = self.in_flight.get(number)
        if operation is not None:
            operation.handed_out_ns = time_ns
        self.full_ends(time_ns)

    def end(self, number: int, time_ns: int = -1, called_ns: int = -1, caller: str = "") -> None:
        """The operation is over. If the trace shows callers, its caller goes on."""
        operation = self.in_flight.pop(number, None)
        if operation is None:
            return
        operation.resumed_ns, operation.caller = time_ns, caller
        if 0 <= called_ns < operation.called_ns:
            operation.called_ns = called_ns
        lengths = operation.stages_ns()
        arrays = self.stages.get(operation.op)
        if arrays is None:
            arrays = self.stages[operation.op] = [array("q") for _ in STAGES]
        for values, length_ns in zip(arrays, lengths, strict=True):
            values.append(length_ns)
        total_ns = sum(lengths)
        self.last_ns = max(self.last_ns, operation.called_ns + total_ns)
        entry = (total_ns, -number, operation)
        if len(self.longest) < LONGEST:
            heappush(self.longest, entry)
        elif entry[:2] > self.longest[0][:2]:
            heappushpop(self.longest, entry)

    def full_begins(self, time_ns: int) -> None:
        """A submit found no slot."""
        if self._full_since is None:
            held = [one for one in self.in_flight.values() if one.handed_out_ns < 0]
            ops = Counter(operation.op for operation in held)
            oldest = min(held, key=lambda one: one.submitted_ns, default=None)
            self._full_since = time_ns, tuple(ops.most_common()), oldest

    def full_ends(self, time_ns: int) -> None:
        """A slot is free."""
        if self._full_since is None:
            return
        begin_ns, holders, oldest = self._full_since
        self._full_since = None
        duration_ns = max(0, time_ns - begin_ns)
        self.full_ns += duration_ns
        self.full_times += 1
        entry = (duration_ns, -self.full_times, FullMoment(begin_ns, duration_ns, holders, oldest))
        if len(self.full) < FULL_MOMENTS:
            heappush(self.full, entry)
        elif entry[:2] > self.full[0][:2]:
            heappushpop(self.full, entry)

    def finish(self) -> None:
        """The trace is over. Operations that were handed out and have no caller have ended; the rest are in flight."""
        for number, operation in list(self.in_flight.items()):
            if operation.handed_out_ns >= 0:
                self.end(number)
