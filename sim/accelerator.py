"""The accelerator, which users and engines hold: a device with its worker thread, or on a virtual clock.

Source of the model: a QAT-like ring (qatlib, adf_user_ring.c), nvmevirt's timing.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from sim.clock import Clock, RealClock, VirtualClock
from sim.device import Device
from sim.errors import ClosedError, RemovedError, UsageError
from sim.faults import Rule, Verdict, When
from sim.faults.handle import Faults
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.request import Submittable
from sim.session import Session
from sim.snapshot import snapshot
from sim.statistics import Statistics
from sim.submission import Submission
from sim.timers import Timer
from sim.timing import Model, Timing, as_timing
from sim.trace import Trace
from sim.worker import Worker

MAX_PAYLOAD_BYTES = 16 << 20


class Accelerator:
    """A simulated accelerator. A context manager: leaving it drains it, leaving it by an exception fails what is left.

    - `depth`: slots of the submission ring, a power of two.
    - `units`: parallel execution units of the timing model; by default the preset's number, else 1. The work itself
      is done by one worker thread.
    - `latency`: a Timing, a Model (of the service), or the text form of either, such as "fixed:50us",
      "lognormal:50us,0.3", "preset:qat-dh895xcc". None: a request takes the time that its work takes.
    - `seed`: of everything random; read it back from `.seed`.
    - `clock`: a VirtualClock for a device without a thread; None for real time.
    - `faults`: rules that are installed from the start, for good; see `faults.install` for what may be one.
    - `trace`: a Trace that records what happens.
    - `coalescing`: of the interrupt.
    - `max_payload_bytes`: the most that one request may have, payload and aux together.

    Any thread may call all of it. Completions come in the worker thread, or in the thread that polls or moves the
    clock. Raises UsageError for bad parameters.

    The parts: `Submission` takes the requests, `Device` moves them, its `Reaper` tells their owners, `Worker` steps the
    device in real time, and `Faults` is the hook in between. The methods of the hot path are the parts' own, bound in
    the constructor: a method here that calls them would cost each operation two more calls.
    """

    prepare: Callable[[Submittable], None]
    """Check a request and find its kernel. Raises UsageError, and then nothing has happened.

    A payload or aux that isn't bytes is copied here, so the caller may change it afterwards."""

    submit: Callable[[Submittable], bool]
    """Put a prepared request onto the ring and ring the doorbell. False: the ring is full. Never blocks.

    Raises ClosedError after `close` and in the child of a fork, RemovedError while the device is removed, RejectedError
    if a fault rule says so, and UsageError if a fault rule raises or is being asked in this thread. Nothing was
    submitted then."""

    enqueue: Callable[[Submittable], bool]
    """Put a prepared request onto the ring, where it waits for the doorbell. False: the ring is full. Raises as
    `submit`."""

    doorbell: Callable[[], None]
    """Announce everything that was enqueued, and wake the device if it sleeps."""

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
        self._ended = True  # as far as __del__ is concerned, until everything is made
        """Whether there is nothing left to do for `close`."""
        if clock is not None and not isinstance(clock, Clock):
            raise UsageError(f"clock={clock!r}: use a VirtualClock(), or None for real time")
        self.timing = as_timing(latency)
        self.clock: Clock = clock or RealClock()
        self._randomness = Randomness(seed)
        if units is None:
            units = self.timing.units or 1
        self._device = device = Device(
            depth, units, self.timing, coalescing or Coalescing(), self._randomness, self.clock
        )
        self._submission = submission = Submission(
            device.ring, device.gate, device.counters, self.clock.now_ns, max_payload_bytes
        )
        self.kernels, self.max_payload_bytes = submission.kernels, max_payload_bytes
        self.prepare, self.submit = submission.prepare, submission.submit
        self.enqueue, self.doorbell = submission.enqueue, submission.doorbell
        self._worker: Worker | None = None
        self.faults = Faults(device, self._randomness)
        if faults:
            self.faults.install(*([faults] if isinstance(faults, str) else faults))
        if trace is not None:
            self.faults.trace_to(trace)
        if isinstance(self.clock, VirtualClock):
            self.clock.attach(device)
        else:
            # Nothing of self, or the thread would keep it alive.
            self._set_worker(Worker(device, self.clock.now_ns, device.crash))
        self._closed = self._ended = False
        _alive.add(self)

    def _set_worker(self, worker: Worker | None) -> None:
        self._worker = self._submission.worker = self.faults.worker = worker

    # Submitting

    def session(self, op: str, key: object, **params: Any) -> Session:
        """Load a key once, for any number of requests of that kernel. Blocks for as long as loading takes.

        Raises UsageError for a kernel without a key, and for a key or parameters that do not fit the kernel.
        """
        return self._submission.session(op, key, **params)

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Add a kernel of your own: any function from bytes to bytes. It runs in the worker thread.

        What it raises fails the request, and nothing else. Raises UsageError for a name that is taken, unless
        `replace`.
        """
        self.kernels.register(name, function, replace=replace)

    @property
    def free_slots(self) -> int:
        """How many requests the ring would take now."""
        ring = self._device.ring
        return ring.depth - ring.outstanding

    @property
    def depth(self) -> int:
        """Slots of the submission ring."""
        return self._device.ring.depth

    @property
    def in_flight(self) -> int:
        """Requests that were submitted and whose completion was not reaped yet."""
        return self._device.ring.outstanding

    # Completing

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """For an engine: on_space(n) is called when n slots become free. `polled`: completions come only by `poll`.

        All engines of a device use the same way: raises UsageError if another engine uses the other one.
        """
        self._device.reaper.attach(on_space, polled=polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Undo `attach`. Once the last engine is detached, completions come by interrupt again.

        Does nothing for one that is not attached.
        """
        if self._device.reaper.detach(on_space):
            # Completions that were left for polling still hold their slots, and no interrupt would tell of them.
            self.call_at(self.clock.now_ns(), self._device.reaper.reap)

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions in this thread, 0 for all that are there. Returns how many.

        May be called from the handler of a completion. Does nothing while completions come by interrupt.
        """
        if self._worker is not None and not self._device.interrupt.masked:
            return 0  # the worker reaps, and it alone
        self._device.counters.polls += 1
        return self._device.reaper.reap(quota)

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polling: call fn once, as soon as there is something to poll for. As ibv_req_notify_cq.

        fn is called at once in this thread, or later in the worker's thread.
        """
        interrupt = self._device.interrupt
        interrupt.ask(fn)
        if self._device.completions.entries:
            interrupt.notify()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Call fn at that time of the clock, in the worker's thread or in the thread that moves the clock.

        fn must not block. What it raises is reported, and the device goes on. If an exception comes while it runs, it
        may be called a second time.
        """
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
        """About how many requests wait for their work to be done."""
        return self._device.queued

    @property
    def frees_in_ns(self) -> int:
        """About how long it takes until a unit of the timing model is free; 0 if one is, and without a model."""
        return max(0, self._device.units.frees_at_ns - self.clock.now_ns())

    @property
    def units(self) -> int:
        """The number of parallel execution units."""
        return self._device.units.count

    def statistics(self) -> Statistics:
        """A snapshot. While requests move, its sums may be off by the requests that moved meanwhile."""
        return snapshot(self._device, self.faults.counts)

    # End

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Stop the device and join its worker thread.

        With `drain` all that is in flight completes first, which blocks for as long as the timing model says. What
        would never complete, and without `drain` everything, fails with ClosedError.

        Calling it again does nothing, or goes on where an exception, such as Ctrl-C, has ended the first call. Raises
        UsageError in the handler of a completion, for which it would wait. While the interpreter ends it only marks the
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
        gate = device.gate
        while (seen := gate.refusal) is None or isinstance(seen, RemovedError):  # a removed device may be plugged in
            with gate.lock:
                gate.change_refusal(closed, instead_of=seen)
        try:
            if drain:
                self._drain()
        finally:
            if self._worker is not None:
                self._worker.stop(lambda: True)
            if isinstance(self.clock, VirtualClock):
                self.clock.detach(device)
            device.abort(ClosedError("the accelerator was closed while this was in flight"))
            # The time of these timers will not come. Whoever waits for one is told now, tries again and is refused.
            device.call_timers()
        self._ended = True

    def _interpreter_ends(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Whether the interpreter is ending, so that nothing can be waited for; then the accelerator counts as closed.

        Only this thread still runs then. The others may have stopped anywhere, also while they held a lock, so joining
        one or taking a lock could block for ever. Nobody is left who could be told of what is in flight.
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
        reaps: bool = self._device.reaper.lock._is_owned()  # type: ignore[attr-defined]  # as threading.Condition asks it
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
        """In the child of a fork: there is no worker, and locks may be held by threads that do not exist here."""
        gate = self._device.gate
        gate.lock = threading.RLock()
        self._device.reaper.lock = threading.RLock()
        self.faults.disown()
        self._set_worker(None)
        self._closed = self._ended = True
        foreign = f"this accelerator belongs to the parent process, {os.getppid()}: make a new one after the fork"
        gate.change_refusal(ClosedError(foreign), instead_of=gate.refusal)


_alive: WeakSet[Accelerator] = WeakSet()


def _after_fork_in_child() -> None:
    for accelerator in list(_alive):
        accelerator._disown()
    _alive.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
