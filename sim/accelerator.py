"""The accelerator, which users and engines hold. It is a device together with what moves it: a worker thread in real
time, or a virtual clock.

The rings follow those of a QAT card (qatlib, adf_user_ring.c), the timing follows nvmevirt.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from hotpath.submittable import Submittable
from sim.assistant import Assistant, assistant_of
from sim.clock import Clock, RealClock, VirtualClock
from sim.device import Device
from sim.errors import ClosedError, RemovedError, UsageError
from sim.faults import Rule, Verdict, When
from sim.faults.installed_faults import Faults
from sim.forks import DisownedInChild
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.session import Session
from sim.snapshot import snapshot
from sim.statistics import Statistics
from sim.submission import Submission
from sim.timers import Timer
from sim.timing import Model, Timing, as_timing
from sim.trace import Tracer
from sim.worker import Worker

MAX_PAYLOAD_BYTES = 16 << 20


class Accelerator:
    """A simulated accelerator.

    It is a context manager. Leaving it waits until all requests have completed. Leaving it by an exception fails the
    requests that are left.

    - `depth`: slots of the submission ring, a power of two.
    - `units`: parallel execution units of the timing model; by default the preset's number, else 1. The work itself
      is done by one worker thread.
    - `latency`: a Timing, a Model (of the service), or the text form of either, such as "fixed:50us",
      "lognormal:50us,0.3", "preset:qat-dh895xcc". With None a request takes the time that its work takes.
    - `seed`: decides everything random. With None it is drawn; read it from `.seed`.
    - `clock`: a VirtualClock for a device without a thread; None for real time.
    - `faults`: rules that are installed from the start and stay. `faults.install` says what may be a rule.
    - `trace`: a Trace, or another Tracer, which is told of what happens.
    - `coalescing`: how many completions share one interrupt.
    - `max_payload_bytes`: the largest size of one request, payload and aux together.
    - `assist`: whether threads that wait do short work of the device themselves; see `sim.assistant`.

    Any thread may call every method. Completions come in the worker thread, in a thread that polls, or in the thread
    that moves the clock. With `assist` they also come in threads that wait. The constructor raises UsageError for bad
    parameters.

    These are the parts: `Submission` takes the requests, `Device` moves them, its `Reaper` tells their owners, `Worker`
    steps the device in real time, and `Faults` installs the hook that fault rules and traces need. The methods of the
    hot path are those of the parts, bound in the constructor: methods that call them would cost two calls each.
    """

    prepare: Callable[[Submittable], None]
    """Check a request and find its kernel. Raises UsageError, and then nothing has happened.

    A payload or aux that isn't bytes is copied here, so the caller may change it afterwards."""

    submit: Callable[[Submittable], bool]
    """Put a prepared request onto the ring and ring the doorbell. Returns False if the ring is full. Never blocks.

    Raises ClosedError after `close` and in the child of a fork, RemovedError while the device is removed, RejectedError
    if a fault rule says so, and UsageError if a fault rule raises, or if it is itself called by a fault rule.
    After any of these, nothing was submitted."""

    enqueue: Callable[[Submittable], bool]
    """Put a prepared request onto the ring, where it waits for the doorbell. Returns False if the ring is full. Raises
    the same errors as `submit`."""

    doorbell: Callable[[], None]
    """Announce everything that was enqueued, and wake the device if it sleeps."""

    def __init__(
        self,
        depth: int = 256,
        units: int | None = None,
        latency: Timing | Model | str | None = None,
        *,
        faults: Sequence[Rule | When | Verdict | str] | str = (),
        trace: Tracer | None = None,
        seed: int | None = None,
        clock: Clock | None = None,
        coalescing: Coalescing | None = None,
        max_payload_bytes: int = MAX_PAYLOAD_BYTES,
        assist: bool = False,
    ) -> None:
        self._closed = True
        self._ended = True  # so that __del__ does nothing if this constructor raises
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
            # The worker gets no reference to self: its thread would keep the accelerator alive.
            self._set_worker(Worker(device, self.clock.now_ns, device.crash))
        self.assistant: Assistant | None = assistant_of(device, submission) if assist else None
        """Lets threads that wait do short work of the device. None without `assist`, and if that can have no effect."""
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

        If the function raises, only this request fails. Raises UsageError for a name that is taken, unless `replace`.
        """
        self.kernels.register(name, function, replace=replace)

    @property
    def free_slots(self) -> int:
        """How many more requests the ring can take now."""
        ring = self._device.ring
        return ring.depth - ring.outstanding

    @property
    def depth(self) -> int:
        """The number of slots of the submission ring."""
        return self._device.ring.depth

    @property
    def in_flight(self) -> int:
        """Requests that were submitted and whose completion was not reaped yet."""
        return self._device.ring.outstanding

    # Completing

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """Connect an engine: on_space(n) is called when n slots become free.

        With `polled`, completions come only by `poll`; without, by interrupt. All engines of a device must take
        completions in the same way: raises UsageError if another engine takes them in the other.
        """
        self._device.reaper.attach(on_space, polled=polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Undo `attach`. Once the last engine is detached, completions come by interrupt again.

        Does nothing for one that is not attached.
        """
        if self._device.reaper.detach(on_space):
            # Completions that nobody has polled yet still hold their slots, and no interrupt would tell of them.
            self.call_at(self.clock.now_ns(), self._device.reaper.reap_by_interrupt)

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions in this thread, or all that are there if it is 0. Returns how many.

        May be called from the handler of a completion. Does nothing while completions come by interrupt.
        """
        if self._worker is not None and not self._device.interrupt.masked:
            return 0  # only the worker may reap
        if self.assistant is not None:
            self.assistant.poll()
        self._device.counters.polls += 1
        return self._device.reaper.reap(quota)

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Call fn once, as soon as there is something to poll for. Only for engines that poll.

        fn is called at once in this thread, or later in the worker's thread. This is what ibv_req_notify_cq does for
        RDMA cards.
        """
        self._device.reaper.notify_once(fn)
        if self.assistant is not None:  # an engine that asks to be told polls only after that
            self.assistant.hand_over()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Timer:
        """Call fn at that time of the clock, in the worker's thread or in the thread that moves the clock.

        fn must not block. If it raises, that is reported, and the device goes on. If an exception such as Ctrl-C comes
        while fn runs, it may be called a second time.
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
        """Roughly how many requests wait for their work to be done."""
        return self._device.queued

    @property
    def frees_in_ns(self) -> int:
        """Roughly how long it takes until a unit is free. 0 if one is free, and without a timing model."""
        return max(0, self._device.units.frees_at_ns - self.clock.now_ns())

    @property
    def units(self) -> int:
        """The number of parallel execution units."""
        return self._device.units.count

    def statistics(self) -> Statistics:
        """A snapshot of all counters. Its sums may be off by the requests that move while it is taken."""
        return snapshot(self._device, self.faults.counts)

    # End

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Stop the device and join its worker thread.

        With `drain`, all that is in flight completes first, which blocks for as long as the timing model says. Requests
        that would never complete fail with ClosedError. Without `drain`, all requests in flight fail with it.

        Calling it again does nothing. But if an exception such as Ctrl-C has ended the first call, the next one goes on
        from there. Raises UsageError in the handler of a completion, because it would wait for that handler. While the
        interpreter ends, it only marks the accelerator as closed: see `_interpreter_ends`.
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
            # The time of these timers will not come, so call them now. A caller that waits for one then tries again,
            # and is refused.
            device.call_timers()
        self._ended = True

    def _interpreter_ends(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> bool:
        """Whether the interpreter is ending. If so, the accelerator counts as closed.

        Only this thread still runs then. The other threads may have stopped anywhere, even while they held a lock, so
        joining one or taking a lock could block for ever. And nobody is left to be told what became of the requests.
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
        if isinstance(self.clock, VirtualClock):
            while not self._device.drained() and self.clock.jump():
                pass
        elif self._worker is not None:
            self._worker.stop(self._device.drained)

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
        """Close it in the child of a fork. There is no worker there, and threads of the parent may hold the locks."""
        gate = self._device.gate
        gate.lock = threading.RLock()
        self._device.reaper.lock = threading.RLock()
        self.faults.disown()
        self._set_worker(None)
        self._closed = self._ended = True
        foreign = f"this accelerator belongs to the parent process, {os.getppid()}: make a new one after the fork"
        gate.change_refusal(ClosedError(foreign), instead_of=gate.refusal)


_alive = DisownedInChild(Accelerator._disown)
