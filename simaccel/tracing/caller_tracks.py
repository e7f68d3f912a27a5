"""The tracks of those who wait for a device: jobs, wait contexts, and callers outside of jobs.

Each method `on_WORD` draws the events with that word (see `engine.offload.traced`). A job has a slice for each
operation, and in it a slice for each wait: `slot` for a slot of the ring, `paused` for the completion. A transaction,
such as a handshake, has a slice around those of its operations.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

from simaccel.tracing.file import PerfettoFile
from simaccel.tracing.packets import BEGIN, END, INSTANT

MOST_TRACKS = 4_096
"""How many jobs, and how many wait contexts, get a track each. All others share one, which shows only instants."""


class _Caller:
    """The track of a job, and the heads of its events."""

    __slots__ = ("begins", "ends", "paused", "resume", "slot", "track")

    def __init__(self, file: PerfettoFile, name: str, parent: int, rank: int) -> None:
        self.track = track = file.track(name, parent, rank=rank)
        self.begins: dict[str, int] = {}
        self.ends = file.head(END, track)
        self.paused, self.slot = file.head(BEGIN, track, "paused"), file.head(BEGIN, track, "slot")
        self.resume = file.head(INSTANT, track, "resume")


class CallerTracks:
    """The groups of tracks of all that waits for one device. Any thread may draw."""

    def __init__(self, file: PerfettoFile, group: int, name_of: Callable[[str, int], str]) -> None:
        """`name_of(kind, number)` names a job."""
        self._file = file
        self._rows = file.rows
        self._name_of = name_of
        self._jobs = file.track("jobs", group, rank=8)
        self._others = file.track("callers outside of jobs", group, rank=9)
        self._contexts = file.track("wait contexts", group, rank=10)
        self._by_job: dict[int, _Caller] = {}
        self._by_context: dict[int, tuple[int, int, int]] = {}
        """The heads of wakes, nudges and EAGAINs."""
        # A caller outside of a job takes the first track that is free.
        self._lanes: list[_Caller] = []
        self._free: list[int] = []
        self._taken: dict[int, int] = {}

    def _caller(self, job: int, request: object, first: bool = False) -> _Caller | None:
        """The track of a job, or of a caller outside of jobs. None where there are too many."""
        if job:
            caller = self._by_job.get(job)
            if caller is None and job <= MOST_TRACKS:
                caller = self._by_job[job] = _Caller(self._file, self._name_of("job", job), self._jobs, job)
            return caller
        lane = self._taken.get(id(request))
        if lane is None:
            if not first:
                return None
            if self._free:
                lane = heappop(self._free)
            else:
                lane = len(self._lanes)
                self._lanes.append(_Caller(self._file, f"caller {lane + 1}", self._others, lane))
            self._taken[id(request)] = lane
        return self._lanes[lane]

    def on_pause(self, time_ns: int, number: int, request: Any, job: int, ctx: int, first: bool) -> None:
        """The caller waits for its completion."""
        caller = self._caller(job, request, first)
        if caller is not None:
            if first:
                self._begin(time_ns, caller, request.op)
            self._rows.put(time_ns, caller.paused, 0)

    def on_eagain(self, time_ns: int, number: int, request: Any, job: int, ctx: int, first: bool) -> None:
        """The caller waits for a slot."""
        caller = self._caller(job, request, first)
        if caller is not None:
            if first:
                self._begin(time_ns, caller, request.op)
            self._rows.put(time_ns, caller.slot, 0)
        self._rows.put(time_ns, self._context(ctx)[2], 0)

    def _begin(self, time_ns: int, caller: _Caller, op: str) -> None:
        head = caller.begins.get(op)
        if head is None:
            head = caller.begins[op] = self._file.head(BEGIN, caller.track, op)
        self._rows.put(time_ns, head, 0)

    def on_begins(self, time_ns: int, number: int, request: object, job: int, name: str) -> None:
        """A transaction of several operations begins in this job. The events of one operation do not tell of it."""
        caller = self._caller(job, request)
        if caller is not None:
            self._begin(time_ns, caller, name)

    def on_ends(self, time_ns: int, number: int, request: object, job: int) -> None:
        """The transaction is over."""
        caller = self._caller(job, request)
        if caller is not None:
            self._rows.put(time_ns, caller.ends, 0)

    def on_again(self, time_ns: int, number: int, request: object, job: int, wait: str) -> None:
        """The caller was resumed, although its operation is not done."""
        caller = self._caller(job, request)
        if caller is not None:
            self._rows.put(time_ns, caller.ends, 0)
            if wait == "pause":
                self._rows.put(time_ns, self._file.head(INSTANT, caller.track, "spurious wake"), 0)

    def on_resume(self, time_ns: int, number: int, request: object, job: int, waited: bool) -> None:
        """The caller goes on, because its operation is done."""
        caller = self._caller(job, request)
        if caller is None:
            return
        ends = caller.ends
        if waited:
            self._rows.put(time_ns, ends, 0)
        self._rows.put(time_ns, caller.resume, number)
        self._rows.put(time_ns, ends, 0)
        if not job:
            heappush(self._free, self._taken.pop(id(request)))

    def on_failed(self, time_ns: int, number: int, request: object, job: int, why: str) -> None:
        """The caller gets an exception, because of its deadline, of a failure on the device, or of a cancel."""
        caller = self._caller(job, request)
        track = (self._jobs if job else self._others) if caller is None else caller.track
        self._rows.put(time_ns, self._file.head(INSTANT, track, f"failed {why}"), 0)

    def _context(self, ctx: int) -> tuple[int, int, int]:
        heads = self._by_context.get(ctx)
        if heads is None:
            file, track = self._file, self._contexts if ctx else self._others
            if 0 < ctx <= MOST_TRACKS:
                track = file.track(f"wait context {ctx}", self._contexts, rank=ctx)
            wake, nudge, eagain = [file.head(INSTANT, track, name) for name in ("wake", "nudge", "EAGAIN")]
            heads = wake, nudge, eagain
            if ctx <= MOST_TRACKS:
                self._by_context[ctx] = heads
        return heads

    def on_woken(self, time_ns: int, number: int, request: object, ctx: int) -> None:
        """The caller is woken, because its operation is done."""
        self._rows.put(time_ns, self._context(ctx)[0], number)

    def on_nudged(self, time_ns: int, number: int, request: object, ctx: int) -> None:
        """The caller is woken to look: there may be a slot, or nothing."""
        self._rows.put(time_ns, self._context(ctx)[1], 0)
