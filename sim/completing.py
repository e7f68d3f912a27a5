"""The completing side of a device: the completion ring, the interrupt's handler, and the end of what is in flight."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from sim.clock import Clock
from sim.errors import SimError
from sim.interrupt import Coalescing, Interrupt
from sim.report import report_unraisable
from sim.request import Delivery, Submittable
from sim.ring import CompletionRing, SubmissionRing
from sim.statistics import Counters

if TYPE_CHECKING:
    from sim.slow_path import SlowPath

_op = attrgetter("op")


class CompletionSide:
    """What of a device hands completions to their owners. `reap` may be called by whoever polls, one at a time."""

    def __init__(self, depth: int, coalescing: Coalescing, clock: Clock) -> None:
        self.clock = clock
        self.ring = SubmissionRing(depth)
        self.completions = CompletionRing(depth)
        self.interrupt = Interrupt(coalescing)
        self.counters = Counters(clock.now_ns())
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

    def _handle_interrupt(self, now_ns: int) -> None:
        if self.slow is not None:
            self.slow.note("interrupt")
        self.reap()
        took_ns = self.clock.now_ns() - now_ns
        if took_ns > self.counters.longest_interrupt_ns:
            self.counters.longest_interrupt_ns = took_ns

    def reap(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all; return how many. The interrupt's handler, and polling's.

        Slots are free, and the counts right, before a completion's owner is told: it may look at once.
        """
        batch = self.completions.take(quota)
        if not batch:
            return 0
        if self.slow is not None:
            return self.slow.reap(batch)
        return self.hand_out(batch)

    def hand_out(self, batch: list[Submittable]) -> int:
        """Give back the slots of a batch of completions, and tell their owners."""
        counters, ring = self.counters, self.ring
        if counters.full_since_ns is not None:
            counters.time_at_full_ns += self.clock.now_ns() - counters.full_since_ns
            counters.full_since_ns = None
        counters.sample(batch)
        failed = len([request for request in batch if request.error is not None])
        counters.failed += failed
        counters.completed += len(batch) - failed
        ops = list(map(_op, batch))
        if ops.count(ops[0]) == len(ops):  # as nearly always: a Counter's update costs three times as much
            counters.by_op[ops[0]] += len(ops)
        else:
            counters.by_op.update(ops)
        ring.reaped += len(batch)
        interrupted: KeyboardInterrupt | None = None
        if self.clock.virtual or self.interrupt.masked or (complete_all := _common_way(batch)) is None:
            interrupted = self._tell_each(batch)
        else:
            complete_all(batch, self._hear)
        for tell in tuple(self.on_space):  # an engine may end by what it is told
            self.call_guarded(partial(tell, len(batch)))
        if interrupted is not None:
            raise interrupted
        return len(batch)

    def _tell_each(self, batch: list[Submittable]) -> KeyboardInterrupt | None:
        """Tell the owners one after the other. The Ctrl-C that came meanwhile, if this is the user's own thread."""
        interrupted: KeyboardInterrupt | None = None
        for request in batch:
            try:
                delivery = request.complete()
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt) and (self.clock.virtual or self.interrupt.masked):
                    interrupted = error  # not the handler's affair
                else:
                    self._hear(request, error)
            else:
                if delivery:
                    self._hear(request, delivery)
        return interrupted

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

    def call_guarded(self, call: Callable[[], object]) -> None:
        """Call what is not ours: what it raises is reported and counted, and the device goes on."""
        try:
            call()
        except BaseException as error:
            self._report(error, "a function that was told of time or space", call)

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
