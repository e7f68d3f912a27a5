"""The completing side of a device: the completion ring, the interrupt's handler, and the end of what is in flight."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from sim.clock import Clock
from sim.errors import SimError
from sim.interrupt import Coalescing, Interrupt
from sim.report import report_unraisable
from sim.request import Delivery, Submittable
from sim.ring import CompletionRing, Echo, SubmissionRing
from sim.statistics import Counters

if TYPE_CHECKING:
    from sim.faults.injector import SlowPath

_op = attrgetter("op")
_ANYWHERE = (KeyboardInterrupt, MemoryError, RecursionError)
"""What can come between any two steps, and need not be the fault of whoever was just called."""
TRIES = 2
"""How often an owner is told again in a row, where such an exception kept it from being told."""


class CompletionSide:
    """What of a device hands completions to their owners. `reap` may be called by any thread."""

    def __init__(self, depth: int, coalescing: Coalescing, clock: Clock) -> None:
        self.clock = clock
        self.ring = SubmissionRing(depth)
        self.completions = CompletionRing(depth)
        self.interrupt = Interrupt(coalescing)
        self.counters = Counters(clock.now_ns())
        self.reapers = threading.RLock()
        """Held by who reaps, in real time: the worker, those who poll, and who closes."""
        self._space = 0
        """Slots that were given back, and of which those who wait for one were not told yet."""
        self.on_space: list[Callable[[int], None]] = []
        """Each is called with the number of slots that a reap has just freed."""
        self.slow: SlowPath | None = None
        """What every request meets while fault rules or a trace are installed; None, and free, without them."""
        self.checks_submits = False
        """Whether a submit must look twice: there is a refusal, or a slow path."""
        self.refusal: SimError | None = None
        """Why nothing may be submitted any more; None as long as it may. Changed by `change_refusal`."""

    def change_refusal(self, why: SimError | None, instead_of: SimError | None) -> bool:
        """Refuse what is submitted from now on, for that reason, or take it again; by who holds the producers' lock.

        False, and nothing is changed, if the reason was another one than the caller thought: it must look again.
        """
        # Nothing is called in here, so no signal handler that closes the accelerator can come in between.
        if self.refusal is not instead_of:
            return False
        self.refusal = why
        self.checks_submits = why is not None or self.slow is not None
        return True

    @property
    def unfinished(self) -> bool:
        """Whether an exception has kept somebody from being told of what was reaped."""
        return bool(self.completions.reaped or self._space)

    def interrupt_if_due(self, now_ns: int) -> None:
        """Fire the interrupt, if it is due: hand out what is complete, or tell those who poll that something is."""
        interrupt = self.interrupt
        if not interrupt.is_due(now_ns):
            return
        owed = interrupt.pending
        if interrupt.masked:
            try:
                interrupt.notify()
            except KeyboardInterrupt as error:
                if self.clock.virtual:
                    raise
                self._report(error, "a function that asked for completions", interrupt)
            interrupt.pending -= owed
            return
        self._handle_interrupt(now_ns)
        # Only now: what is interrupted in there still is to be handled at the next step.
        interrupt.pending -= owed
        interrupt.fired += 1

    def _handle_interrupt(self, now_ns: int) -> None:
        if self.slow is not None:
            self.slow.note("interrupt")
        self.reap()
        took_ns = self.clock.now_ns() - now_ns
        if took_ns > self.counters.longest_interrupt_ns:
            self.counters.longest_interrupt_ns = took_ns

    def reap(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all; return how many. The interrupt's handler, and polling's.

        Slots are free, and the counts right, before a completion's owner is told: it may look at once. What an
        exception keeps from being handed out is handed out by the next call.
        """
        if self.clock.virtual:  # there is one thread
            return self._reap(quota)
        with self.reapers:
            return self._reap(quota)

    def _reap(self, quota: int) -> int:
        seen = self.completions.taken
        batch = self.completions.unreaped(quota)
        if not batch:
            return self._tell_reaped(batch)
        if self.slow is not None:
            return self.slow.reap(batch, seen)
        return self.hand_out(batch, 0, seen)

    def hand_out(self, batch: list[Submittable], echoes: int, seen: int) -> int:
        """Give back the slots of a batch of completions, count it, and tell the owners; how many were told.

        On the completion ring there are so many echoes among the batch. `seen` is how many entries had been taken from
        there when it was looked at.
        """
        counters, ring, completions = self.counters, self.ring, self.completions
        full_ns = counters.time_at_full_ns
        if counters.full_since_ns is not None:
            full_ns += self.clock.now_ns() - counters.full_since_ns
        counters.sample(batch)
        failed = len([request for request in batch if request.error is not None])
        size, by_op = len(batch), counters.by_op
        ops = list(map(_op, batch))
        if not ops or ops.count(ops[0]) != size:  # a Counter's update costs three times as much, and is rarely needed
            by_op = by_op.copy()
            by_op.update(ops)
            ops.clear()
        elif ops[0] not in by_op:
            by_op[ops[0]] = 0
        # From here to the end of the stores nothing is called and nothing can fail: all of it happens, or nothing.
        if completions.taken != seen:  # a signal handler has polled in one of the calls above
            return self._tell_reaped(batch)
        in_op = by_op[ops[0]] + size if ops else 0
        all_failed, all_completed = counters.failed + failed, counters.completed + size - failed
        entries = size + echoes
        taken, reaped, left_echoes = (
            completions.taken + entries,
            completions.reaped + entries,
            completions.echoes - echoes,
        )
        slots, space = ring.reaped + size, self._space + size
        completions.taken, completions.reaped = taken, reaped
        completions.echoes = left_echoes
        counters.failed, counters.completed = all_failed, all_completed
        counters.time_at_full_ns, counters.full_since_ns = full_ns, None
        counters.by_op = by_op
        ring.reaped, self._space = slots, space
        if ops:
            by_op[ops[0]] = in_op
        return self._tell_reaped(batch)

    def _tell_reaped(self, batch: list[Submittable]) -> int:
        """Tell the owners of all that is reaped, and those who wait for slots; how many owners that was.

        `batch` is what was just reaped. There may be more: of a reap that was interrupted, or that this one is inside.
        """
        completions, told = self.completions, 0
        own_thread = self.clock.virtual or self.interrupt.masked
        interrupted: KeyboardInterrupt | None = None
        if completions.reaped:
            together = None if own_thread or completions.reaped != len(batch) else _common_way(batch)
            if together is None:
                told, interrupted = self._tell_each(own_thread)
            else:
                try:
                    together(batch, self._hear)
                except BaseException as error:
                    self._hear(batch[0], error)
                told = len(batch)
                for _ in batch:
                    completions.entries.popleft()
                completions.reaped = 0
        if self._space:
            slots, self._space = self._space, 0
            try:
                for tell in tuple(self.on_space):  # an engine may end by what it is told
                    self.call_guarded(partial(tell, slots), own_thread)
            except BaseException:
                self._space += slots  # they are told once more, which does no harm
                raise
        if interrupted is not None:
            raise interrupted
        return told

    def _tell_each(self, own_thread: bool) -> tuple[int, KeyboardInterrupt | None]:
        """Tell the owners one after the other; how many, and the Ctrl-C that came meanwhile in the user's own thread.

        An owner whose `complete` had not begun when an exception came is told again.
        """
        completions, told, tries = self.completions, 0, 0
        entries = completions.entries
        interrupted: KeyboardInterrupt | None = None
        while completions.reaped:
            left = completions.reaped - 1
            request: Any = entries[0]
            del entries[0]
            completions.reaped = left  # after that: the device, on its thread, must not see too many entries
            try:
                if type(request) is Echo:
                    told += 1
                    self._tell_echo(request)
                    continue
                delivery = request.complete()
            except BaseException as error:
                mine = isinstance(error, KeyboardInterrupt) and own_thread  # not the handler's affair
                if isinstance(error, _ANYWHERE) and not getattr(request, "completed", True):
                    completions.reaped += 1
                    entries.appendleft(request)
                    tries += 1
                    if not mine and (own_thread or tries > TRIES):
                        raise
                    interrupted = error if mine else interrupted  # type: ignore[assignment]
                    continue
                if mine:
                    interrupted = error  # type: ignore[assignment]
                else:
                    self._hear(request, error)
            else:
                if delivery:
                    self._hear(request, delivery)
            told += 1
            tries = 0
        return told, interrupted

    def _tell_echo(self, echo: Echo) -> None:
        """A completion comes a second time."""
        if self.slow is not None:
            self.slow.note("duplicate", echo.request)
        self.counters.spurious += 1
        self.call_guarded(echo.request.complete)

    def _hear(self, request: Submittable, outcome: Delivery | BaseException | None) -> None:
        """What an owner answered to its completion, or raised."""
        if isinstance(outcome, BaseException):
            self._report(outcome, "the handler of a completion", request)
        elif outcome:
            self._recount(request, outcome)

    def _recount(self, request: Submittable, delivery: Delivery) -> None:
        counters = self.counters
        if request.error is not None:
            counters.failed -= 1
        else:
            counters.completed -= 1
        counters.by_op[request.op] -= 1
        if delivery == Delivery.ORPHANED:
            counters.orphaned += 1
        else:
            # It had a slot, so it must be in the sums; only a completion that comes a second time has none.
            counters.orphaned += 1
            counters.spurious += 1
        if self.slow is not None:
            self.slow.note(Delivery(delivery).name.lower(), request)

    def call_guarded(self, call: Callable[[], object], own_thread: bool = False) -> None:
        """Call what is not ours: what it raises is reported and counted, and the device goes on.

        A Ctrl-C comes out where the thread is the user's own: in virtual time always, else if the caller says so. After
        a failed allocation or a full stack, which may have come before the call, it is called once more.
        """
        for last in (False, True):
            try:
                call()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and (own_thread or self.clock.virtual):
                    raise
                if not last and isinstance(error, MemoryError | RecursionError):
                    continue
                self._report(error, "a function that was told of time or space", call)
            return

    def _report(self, error: BaseException, what: str, culprit: object) -> None:
        self.counters.handler_errors += 1
        report_unraisable(error, f"{what} raised; the device goes on", culprit)


def _common_way(batch: list[Submittable]) -> Callable[..., object] | None:
    """How to tell the owners of all these in one call; None if there is no way in common."""
    first = type(batch[0])
    for request in batch:
        if type(request) is not first:
            return None
    return getattr(first, "complete_all", None)
