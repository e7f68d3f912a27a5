"""How completions reach their owners: by the handler of the interrupt or by polling. Both do the same: they reap.

The device puts completed requests onto the completion ring and marks the interrupt as pending. When the interrupt is
due, its handler reaps the ring. While the interrupt is masked, the thread that polls reaps it. A reap has two steps:

1. `hand_out` gives back the slots of a batch and counts the batch. No exception can come in the middle of this.
2. `_tell_reaped` tells the owners, by `complete` of each request, and then those who wait for free slots.

So when an owner is told, its slot is already free and the counts are already right. An entry leaves the ring when its
owner is told. If an exception cuts a reap short, the next reap does the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from hotpath.submittable import Submittable
from sim.clock import Clock
from sim.errors import UsageError
from sim.gate import Gate
from sim.interrupt import Interrupt
from sim.request import Delivery
from sim.ring import CompletionRing, Echo, SubmissionRing
from sim.statistics import Counters
from sim.unraisable import ForeignCalls

_ANYWHERE = (KeyboardInterrupt, MemoryError, RecursionError)
"""Exceptions that can come between any two steps. The function that was just called need not have raised them."""
TRIES = 2
"""If such an exception came before an owner was told, this is how often in a row telling it is tried again."""


class Reaper:
    """Takes completions off the ring of one device and tells their owners. Any thread may call `reap`."""

    def __init__(
        self,
        ring: SubmissionRing,
        completions: CompletionRing,
        interrupt: Interrupt,
        counters: Counters,
        clock: Clock,
        gate: Gate,
    ) -> None:
        self._ring = ring
        self._completions = completions
        self._interrupt = interrupt
        self._counters = counters
        self._clock = clock
        self._gate = gate
        self._foreign = ForeignCalls(counters, clock.virtual)
        self.lock = threading.RLock()
        """In real time, the thread that reaps holds this: the worker, a thread that polls, or the one that closes."""
        self.own_thread = False
        """Whether the thread that steps the device is the user's own, so that a KeyboardInterrupt is for its caller."""
        self.untold_slots = 0
        """How many free slots those who wait for a slot have not been told of yet."""
        self.on_space: list[Callable[[int], None]] = []
        """Each is called with the number of slots that a reap has just freed."""

    # Engines

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """Call on_space(n) from now on when n slots become free.

        With `polled`, mask the interrupt, so that completions come only by `reap`. Raises UsageError if another engine
        is attached with the other value of `polled`.
        """
        interrupt = self._interrupt
        if self.on_space and interrupt.masked is not polled:
            ways = ("by interrupt", "by polling")
            raise UsageError(
                f"this accelerator's completions are taken {ways[interrupt.masked]} by another engine, and this one "
                f"wants them {ways[polled]}: give it an accelerator of its own"
            )
        self.on_space.append(on_space)
        interrupt.masked = polled

    def detach(self, on_space: Callable[[int], None]) -> bool:
        """Undo `attach`; does nothing if on_space is not attached.

        Returns whether nobody is attached any more. In that case the interrupt is no longer masked.
        """
        if on_space in self.on_space:
            self.on_space.remove(on_space)
        if not self.on_space:
            self._interrupt.masked = False
        return not self.on_space

    # The interrupt

    def notify_once(self, fn: Callable[[], object]) -> None:
        """As `Accelerator.notify_once`."""
        self._interrupt.ask(fn)
        if self._completions.entries:
            self._interrupt.notify()

    def interrupt_if_due(self, now_ns: int) -> None:
        """If the interrupt is due, handle it: hand out what is complete. If it is masked, tell those who poll."""
        interrupt = self._interrupt
        if not interrupt.is_due(now_ns):
            return
        told_of = interrupt.pending
        if interrupt.masked:
            try:
                interrupt.notify()
            except KeyboardInterrupt as error:
                if self._clock.virtual or self.own_thread:
                    raise
                self._foreign.report(error, "a function that asked for completions", interrupt)
            interrupt.pending -= told_of
            return
        self.handle_interrupt(now_ns)
        # Counted down last, so that an interrupt that an exception cut short is still pending at the next step.
        interrupt.pending -= told_of
        interrupt.fired += 1

    def handle_interrupt(self, now_ns: int) -> None:
        """Reap everything, and keep the time that this took if it is the longest so far. `now_ns` is when it began."""
        if self._gate.hook is not None:
            self._gate.hook.note("interrupt")
        self.reap()
        took_ns = self._clock.now_ns() - now_ns
        if took_ns > self._counters.longest_interrupt_ns:
            self._counters.longest_interrupt_ns = took_ns

    # The reap

    def reap(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, or all if it is 0. Returns how many owners were told.

        The owners are called in this thread. In real time this blocks while another thread reaps. If an owner raises
        KeyboardInterrupt and this thread is the user's own, it is raised here. All other exceptions are reported.
        """
        if self._clock.virtual:  # there is one thread
            return self._reap(quota)
        with self.lock:
            return self._reap(quota)

    def reap_by_interrupt(self) -> None:
        """Reap what an engine that polled has left behind when it detached, unless another one polls by now."""
        if not self._interrupt.masked:
            self.reap()

    def _reap(self, quota: int) -> int:
        seen = self._completions.taken
        batch: list[Any] = self._completions.unreaped(quota)
        if not batch:
            return self._tell_reaped(batch)
        hook = self._gate.hook
        if hook is None:
            return self.hand_out(batch, 0, seen)
        requests = [entry for entry in batch if type(entry) is not Echo]
        for request in requests:
            hook.note("wake", request)
        return self.hand_out(requests, len(batch) - len(requests), seen)

    def hand_out(self, batch: list[Submittable], echoes: int, seen: int) -> int:
        """Give back the slots of a batch of completions, count it, and tell the owners. Returns how many were told.

        `echoes` is how many echoes stand among the batch on the completion ring. `seen` is the value of
        `completions.taken` when the batch was read. If that has grown meanwhile, somebody else has handed out the
        batch.
        """
        counters, ring, completions = self._counters, self._ring, self._completions
        full_ns = counters.time_at_full_ns
        if counters.full_since_ns is not None:
            full_ns += self._clock.now_ns() - counters.full_since_ns
        counters.sample(batch)
        size, by_op = len(batch), counters.by_op
        op = batch[0].op if batch else ""
        failed, alike = 0, bool(batch)
        for request in batch:
            if request.error is not None:
                failed += 1
            if request.op != op:
                alike = False
        if not alike:  # a Counter's update costs three times as much, and is rarely needed
            by_op = by_op.copy()
            by_op.update([request.op for request in batch])
        elif op not in by_op:
            by_op[op] = 0
        # From here to the last store nothing is called and nothing can fail. So either all of it happens, or nothing.
        if completions.taken != seen:  # a signal handler has polled in one of the calls above
            return self._tell_reaped(batch)
        in_op = by_op[op] + size if alike else 0
        all_failed, all_completed = counters.failed + failed, counters.completed + size - failed
        entries = size + echoes
        taken, reaped, left_echoes = (
            completions.taken + entries,
            completions.reaped + entries,
            completions.echoes - echoes,
        )
        slots, untold = ring.reaped + size, self.untold_slots + size
        completions.taken, completions.reaped = taken, reaped
        completions.echoes = left_echoes
        counters.failed, counters.completed = all_failed, all_completed
        counters.time_at_full_ns, counters.full_since_ns = full_ns, None
        counters.by_op = by_op
        ring.reaped, self.untold_slots = slots, untold
        if alike:
            by_op[op] = in_op
        return self._tell_reaped(batch)

    # Telling

    def _tell_reaped(self, batch: list[Submittable]) -> int:
        """Tell the owners of all that is reaped, and then those who wait for slots. Returns how many owners were told.

        `batch` is what was just reaped. Other entries may be reaped with their owners not told yet: an exception cut
        an earlier reap short, or this reap was called by an owner in the middle of another one.
        """
        completions, told = self._completions, 0
        own_thread = self._clock.virtual or self._interrupt.masked or self.own_thread
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
                popleft = completions.entries.popleft
                for _ in batch:
                    popleft()
                completions.reaped = 0
        if self.untold_slots:
            slots, self.untold_slots = self.untold_slots, 0
            try:
                for tell in tuple(self.on_space):  # a copy, because an engine that is told may detach
                    self._foreign.call(partial(tell, slots), own_thread)
            except BaseException:
                self.untold_slots += slots  # they are told once more, which does no harm
                raise
        if interrupted is not None:
            raise interrupted
        return told

    def _tell_each(self, own_thread: bool) -> tuple[int, KeyboardInterrupt | None]:
        """Tell the owners one after the other.

        Returns how many were told, and the KeyboardInterrupt that came meanwhile, or None. It is returned only if this
        thread is the user's own. If an exception came before an owner's `complete` had begun, the owner is told again.
        """
        completions, told, tries = self._completions, 0, 0
        entries = completions.entries
        interrupted: KeyboardInterrupt | None = None
        while completions.reaped:
            left = completions.reaped - 1
            entry: Any = entries[0]
            del entries[0]
            completions.reaped = left  # after the `del`: else the device's thread could see one entry too many
            try:
                if type(entry) is Echo:
                    delivery = None
                    self._tell_echo(entry, own_thread)
                else:
                    request = entry
                    delivery = request.complete()
            except BaseException as error:
                mine = isinstance(error, KeyboardInterrupt) and own_thread  # then it is for the caller of the reap
                if isinstance(error, _ANYWHERE) and not getattr(entry, "completed", True):
                    completions.reaped += 1
                    entries.appendleft(entry)
                    tries += 1
                    if not mine and (own_thread or tries > TRIES):
                        raise
                    interrupted = error if mine else interrupted  # type: ignore[assignment]
                    continue
                if mine:
                    interrupted = error  # type: ignore[assignment]
                else:
                    self._hear(entry, error)
            else:
                if delivery:
                    self._hear(entry, delivery)
            told += 1
            tries = 0
        return told, interrupted

    def _tell_echo(self, echo: Echo, own_thread: bool) -> None:
        """Tell an owner of its completion a second time."""
        if self._gate.hook is not None:
            self._gate.hook.note("duplicate", echo.request)
        self._counters.spurious += 1
        self._foreign.call(echo.request.complete, own_thread)

    def _hear(self, request: Submittable, outcome: Delivery | BaseException | None) -> None:
        """Deal with what an owner returned for its completion, or raised."""
        if isinstance(outcome, BaseException):
            self._foreign.report(outcome, "the handler of a completion", request)
        elif outcome:
            self._recount(request, outcome)

    def _recount(self, request: Submittable, delivery: Delivery) -> None:
        """Correct the counts: the owner says that this completion, which is counted already, reached nobody."""
        counters = self._counters
        if request.error is not None:
            counters.failed -= 1
        else:
            counters.completed -= 1
        counters.by_op[request.op] -= 1
        counters.orphaned += 1  # even if it is spurious: it had a slot, so it must be in the sums
        if delivery != Delivery.ORPHANED:
            counters.spurious += 1
        if self._gate.hook is not None:
            self._gate.hook.note(Delivery(delivery).name.lower(), request)


def _common_way(batch: list[Submittable]) -> Callable[..., object] | None:
    """The function that tells the owners of all these requests in one call. None if there is no such function."""
    first = type(batch[0])
    for request in batch:
        if type(request) is not first:
            return None
    return getattr(first, "complete_all", None)
