"""The accelerator: a device with its worker thread, or on a virtual clock; what users and engines hold.

Source of the model: a QAT-like ring (qatlib, adf_user_ring.c), nvmevirt's timing.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self
from weakref import WeakSet

from sim.clock import Clock, RealClock, VirtualClock
from sim.device import Device
from sim.errors import ClosedError, InternalError, RemovedError, UsageError
from sim.faults import Rule, Verdict, When
from sim.faults.handle import Faults
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.statistics import Percentiles, Statistics
from sim.submission import SubmissionSide
from sim.timers import Timer
from sim.timing import INSTANT, Model, Timing, parse_timing
from sim.trace import Trace
from sim.worker import Worker

MAX_PAYLOAD_BYTES = 16 << 20


class Accelerator(SubmissionSide):
    """A simulated accelerator. A context manager: leaving it drains it, leaving it by an exception fails what is left.

    - `depth`: slots of the submission ring, a power of two.
    - `units`: parallel execution units of the timing model; by default the preset's number, else 1. The work itself
      is done by one worker thread.
    - `latency`: a Timing, a Model (of the service), or the text form of either, such as "fixed:50us",
      "lognormal:50us,0.3", "preset:qat-dh895xcc". None: a request takes what its work takes.
    - `seed`: of everything random; read it back from `.seed`.
    - `clock`: a VirtualClock for a device without a thread; None for real time.
    - `faults`: rules that are installed from the start, for good; see `faults.install` for what may be one.
    - `trace`: a Trace that records what happens.
    - `coalescing`: of the interrupt. `max_payload_bytes`: of one request, payload and aux together.

    Any thread may submit and ask. Completions come in the worker thread, or in the thread that polls or jumps the
    clock. Raises UsageError for bad parameters.
    """

    def __init__(
        self,
        depth: int = 256,
        units: int | None = None,
        latency: Timing | Model | str | None = None,
        *,
        faults: Sequence[Rule | When | Verdict | str] | str = (),
        trace: Trace | None = None,
        seed: int | None = None,
        clock: Clock | None = None,
        coalescing: Coalescing | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
    ) -> None:
        self._closed = True
        self._ended = True  # as far as __del__ is concerned, until all is made
        """Whether there is nothing left to do for `close`."""
        if clock is not None and not isinstance(clock, Clock):
            raise UsageError(f"clock={clock!r}: use a VirtualClock(), or None for real time")
        self.timing = _timing(latency)
        self.clock: Clock = clock or RealClock()
        self._randomness = Randomness(seed)
        if units is None:
            units = self.timing.units or 1
        device = Device(depth, units, self.timing, coalescing or Coalescing(), self._randomness, self.clock)
        super().__init__(device, max_payload_bytes)
        self.faults = Faults(device, self._producers, self._randomness)
        if faults:
            self.faults.install(*([faults] if isinstance(faults, str) else faults))
        if trace is not None:
            self.faults.trace_to(trace)
        if isinstance(self.clock, VirtualClock):
            self.clock.attach(self._device)
        else:
            on_crash = partial(_crashed, device, self._producers)  # without self, or the thread would keep it alive
            self._worker = self.faults.worker = Worker(device, self.clock.now_ns, on_crash)
        self._closed = self._ended = False
        _alive.add(self)

    # Completing

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """For an engine: be told of freed slots, and say whether completions are polled for or come by interrupt.

        One way for all engines of a device: UsageError if another engine has the other one.
        """
        interrupt = self._device.interrupt
        if self._device.on_space and interrupt.masked is not polled:
            ways = ("by interrupt", "by polling")
            raise UsageError(
                f"this accelerator's completions are taken {ways[interrupt.masked]} by another engine, and this one "
                f"wants them {ways[polled]}: give it an accelerator of its own"
            )
        self._device.on_space.append(on_space)
        interrupt.masked = polled

    def detach(self, on_space: Callable[[int], None]) -> None:
        """The end of `attach`. With the last engine gone, completions come by interrupt again.

        Does nothing for one that is not attached.
        """
        on_spaces = self._device.on_space
        if on_space in on_spaces:
            on_spaces.remove(on_space)
        if not on_spaces:
            self._device.interrupt.masked = False
            # What was left on the completion ring for polling keeps its slots, and no interrupt tells of it any more.
            self.call_at(self.clock.now_ns(), self._device.reap)

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions, 0 for all that are there, in this thread; how many it was.

        Also from inside the handler of a completion. While completions come by interrupt there is nothing to poll.
        """
        if self._worker is not None and not self._device.interrupt.masked:
            return 0  # the worker reaps, and it alone
        self._device.counters.polls += 1
        return self._device.reap(quota)

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polling: call fn once, as soon as there is something to poll for - perhaps at once, perhaps on the
        worker's thread. As ibv_req_notify_cq."""
        interrupt = self._device.interrupt
        interrupt.ask(fn)
        if self._device.completions.entries:
            interrupt.notify()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Have fn called at that time of the clock, by the worker or whoever jumps the clock. It must not block."""
        timer = self._device.timers.call_at(due_ns, fn)
        if self._worker is not None:
            self._worker.wake()
        return timer

    # Looking

    @property
    def seed(self) -> int:
        """The seed of this run."""
        return self._randomness.seed

    @property
    def queued(self) -> int:
        """How many requests wait for their work to be done, about: it changes at any time."""
        return self._device.queued

    @property
    def frees_in_ns(self) -> int:
        """For how long all units of the timing model are busy, about; 0 without a model."""
        return max(0, self._device.units.frees_at_ns - self.clock.now_ns())

    @property
    def units(self) -> int:
        """The number of parallel execution units."""
        return self._device.units.count

    def statistics(self) -> Statistics:
        """A snapshot, from any thread. While things move its numbers may differ by what moves."""
        device = self._device
        counters, ring = device.counters, device.ring
        now_ns = self.clock.now_ns()
        full_ns = counters.time_at_full_ns
        if counters.full_since_ns is not None:
            full_ns += now_ns - counters.full_since_ns
        possible_ns = (now_ns - counters.since_ns) * device.units.count
        return Statistics(
            submitted=ring.tail,
            completed=counters.completed,
            failed=counters.failed,
            orphaned=counters.orphaned,
            spurious=counters.spurious,
            in_flight=ring.outstanding,
            high_water=ring.high_water,
            ring_full=counters.ring_full,
            time_at_full_ns=full_ns,
            doorbells=counters.doorbells,
            interrupts=device.interrupt.fired,
            polls=counters.polls,
            batches=counters.batches,
            batch_sizes=dict(sorted(counters.batch_sizes.items())),
            busy_ns=counters.busy_ns,
            utilisation=min(counters.busy_ns / possible_ns, 1.0) if possible_ns else 0.0,
            queue=Percentiles.of(list(counters.queue_samples)),
            service=Percentiles.of(list(counters.service_samples)),
            handler_errors=counters.handler_errors,
            longest_interrupt_ns=counters.longest_interrupt_ns,
            by_op=dict(sorted(counters.by_op.items())),
            faults=self.faults.counts,
            late=counters.late,
            late_ns=counters.late_ns,
        )

    # End

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Stop. With `drain` all that is in flight completes first, as long as the model says that takes; what
        never would, and without `drain` everything, fails with ClosedError. Joins the worker thread.

        Calling again does nothing, or goes on where an exception, such as Ctrl-C, has ended the first call. UsageError
        from inside a completion's handler, which it would wait for. While the interpreter ends it only marks the
        accelerator as closed: see `_interpreter_ends`.
        """
        if self._ended or self._interpreter_ends():
            return
        if self._in_handler:
            raise UsageError("an accelerator can't be closed by the handler of a completion: it would wait for itself")
        self._closed = True
        _alive.discard(self)
        device = self._device
        closed = ClosedError("the accelerator was closed")
        while (seen := device.refusal) is None or isinstance(seen, RemovedError):  # which could be plugged in again
            with self._producers:
                device.change_refusal(closed, instead_of=seen)
        try:
            if drain:
                self._drain()
        finally:
            if self._worker is not None:
                self._worker.stop(lambda: True)
            if isinstance(self.clock, VirtualClock):
                self.clock.detach(device)
            device.abort(ClosedError("the accelerator was closed while this was in flight"))
            # Their time will not come. Whoever waits for it is told now, tries again and meets the refusal.
            device.call_timers()
        self._ended = True

    def _interpreter_ends(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Whether nothing can be waited for any more; then the accelerator counts as closed.

        Once the interpreter ends no thread but this one runs, and the others may have stopped anywhere, also while they
        held a lock. To join one or to take a lock would be for ever; what is in flight has nobody left to be told.
        """
        ends = is_finalizing()  # an argument, because the module's globals may be gone by now
        if ends:
            self._closed = True
        return ends

    @property
    def _in_handler(self) -> bool:
        clock, worker = self.clock, self._worker
        if isinstance(clock, VirtualClock):
            return clock.stepping
        reaps: bool = self._device.reapers._is_owned()  # type: ignore[attr-defined]  # as threading.Condition asks it
        return reaps or (worker is not None and worker.inside)

    def _drain(self) -> None:
        if self._worker is not None:
            self._worker.stop(self._device.drained)
            return
        assert isinstance(self.clock, VirtualClock)
        while not self._device.drained() and self.clock.jump():
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def __del__(self, warn: Callable[..., None] = warnings.warn) -> None:
        if getattr(self, "_ended", True):
            return
        try:
            warn(f"{self!r} was never closed", ResourceWarning, stacklevel=1, source=self)
        finally:  # also where warnings are errors
            if not self._interpreter_ends() and not self._in_handler:
                self.close(drain=False)

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{self.in_flight} in flight"
        return f"<Accelerator depth={self.depth} units={self.units} seed={self.seed}, {state}>"

    def _disown(self) -> None:
        """In the child of a fork there is no worker, and locks may be held by threads that are not there."""
        self._producers = threading.RLock()
        self._device.reapers = threading.RLock()
        self.faults.disown(self._producers)
        self._worker = None
        self._closed = self._ended = True
        foreign = f"this accelerator belongs to the parent process, {os.getppid()}: make a new one behind the fork"
        self._device.change_refusal(ClosedError(foreign), instead_of=self._device.refusal)


def _crashed(device: Device, producers: threading.RLock, error: BaseException) -> None:
    """The worker is at its end: refuse what comes, fail what is in flight."""
    refusal = InternalError(f"the device's worker crashed: {error!r}")
    with producers:  # so that no submit that has seen no refusal comes behind the last look at the ring
        device.change_refusal(refusal, instead_of=device.refusal)
    device.abort(refusal)
    device.call_timers()


def _timing(latency: Timing | Model | str | None) -> Timing:
    if latency is None:
        return INSTANT
    if isinstance(latency, Timing):
        return latency
    if isinstance(latency, str):
        return parse_timing(latency)
    if isinstance(latency, Model):
        return Timing(service=latency)
    raise UsageError(f'latency={latency!r}: use a Timing, a model such as Fixed(50_000), or text such as "fixed:50us"')


_alive: WeakSet[Accelerator] = WeakSet()


def _after_fork_in_child() -> None:
    for accelerator in list(_alive):
        accelerator._disown()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
