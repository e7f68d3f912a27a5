"""Assistance: a thread that is about to wait for the device does the device's short work itself.

A worker thread that sleeps on another core has to be woken, and then wakes the thread that waits. That takes longer
than tens of short requests. So an accelerator that was made with `assist=True` has an `Assistant`. A thread that is
going to wait submits by `Assistant.submit`, which leaves the worker asleep, and then calls `Assistant.poll`. This does
what the worker would have done, in the waiting thread: the same steps, the same counts, the same order.

- **One thread steps the device at a time.** A thread that wants to step it puts a claim into `Worker.claims`. The
  thread with the first claim there may step. The worker leaves its claim there until it is its turn. A waiting thread
  that is not the first takes its claim back, and then waits as it would without assistance.
- **No request is forgotten.** A thread that takes its claim back looks at the ring once more, and wakes the worker if
  anything is left. So after `poll` each request on the ring has a thread that will do it.
- **Only short work.** A request is short if its payload is no larger than the largest with which its kernel has taken
  less than ASSIST_NS. The worker does the first request of each kernel, every request that is not short, and whatever
  comes after such a request on the ring. On a device with fault rules or a trace it does them all.
- **The waiting thread is the user's own.** A KeyboardInterrupt is raised in it, as in virtual time. A request stays on
  the submission ring until it is on the completion ring. If Ctrl-C comes before that, even while the kernel runs, the
  request is left to the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident

from hotpath.submittable import Submittable
from sim.clock import Clock
from sim.device import SHORT_NS, Device
from sim.errors import UsageError
from sim.kernels import Kernel
from sim.submission import Submission
from sim.worker import WORKER

ASSIST_NS = 10_000
"""A request that takes less time is short. It takes several times as long to wake the worker, or to be woken by it."""
SHORT_BYTES = 16_384
"""A request with a larger payload is never taken for short."""
SPELL_NS = 1_000_000
"""For how long a thread assists at a time. The rest is for the worker, so that the thread can go on with its own."""


class Assistant:
    """Lets threads that wait for a device do its short work. Any thread may call it. It never blocks.

    To a scheduler or an event loop it is something to poll while all jobs wait: it fits `engine.protocol.Assistant`.
    """

    __slots__ = (
        "_device",
        "_ident",
        "_kernel",
        "_most_bytes",
        "_quiet",
        "_short",
        "_submission",
        "_trials",
        "clock",
        "polled",
    )

    def __init__(self, device: Device, submission: Submission, ident: Callable[[], int] = get_ident) -> None:
        """`ident` returns a number of the thread that calls it."""
        self.clock: Clock = device.clock
        self.polled = True
        self._device = device
        self._ident = ident
        self._submission = submission
        self._quiet = Submission(
            device.ring, device.gate, device.counters, device.clock.now_ns, submission.max_payload_bytes
        )
        """A second submitting side of the same device. It has no worker, and so it wakes none."""
        self._short: dict[str, tuple[Kernel, int]] = {}
        """For each operation whose requests are short, its kernel, and the largest payload that was short."""
        self._kernel: Kernel | None = None
        """The kernel of `_short` that was asked for last, with its largest payload in `_most_bytes`."""
        self._most_bytes = 0
        self._trials: dict[str, Submittable] = {}
        """By operation, a request that went to the worker because it was not known whether it is short. When it is
        done, it tells how long it took."""

    def submit(self, request: Submittable) -> bool:
        """Like `Accelerator.submit`, for a thread that will call `poll` or `hand_over` before it waits for anything.

        If the request is short, this does not wake the worker.
        """
        if not self._quiet.submit(request):
            return False
        # Most requests are like the one before, and then this saves half of what `_if_short` takes.
        if request.kernel is not self._kernel or len(request.payload) > self._most_bytes or not self._device.straight:
            short = self._if_short(request)
            if short is None:
                self.hand_over()
            else:
                self._kernel, self._most_bytes = short
        return True

    def submit_for_others(self, request: Submittable) -> bool:
        """Like `submit`, for a thread that does not poll. Other threads do, now and then or when they are notified."""
        if not self.submit(request):
            return False
        if self._device.interrupt.on_masked:  # a thread that has asked to be notified polls only after that
            self.hand_over()
        return True

    def poll(self, quota: int = 0) -> int:
        """Do the short work that is on the ring, and wake the worker for the rest. Returns how many requests were done.

        Their completions are handed out in this thread, unless an engine polls for them. Returns 0 if another thread
        is stepping the device, and in the handler of a completion. `quota` has no effect.
        """
        ring, worker = self._device.ring, self._submission.worker
        if ring.rung == ring.head or worker is None:
            return 0
        me, claims, done = self._ident(), worker.claims, 0
        if me in claims:  # this call comes from the handler of a completion, and so from inside another `poll`
            return 0
        try:
            try:
                claims.append(me)
                if claims[0] == me:
                    done = self._work()
            finally:
                if me in claims:
                    claims.remove(me)
            self.hand_over()
        except BaseException:  # such as Ctrl-C, perhaps before the worker was woken
            self.hand_over()
            raise
        return done

    def hand_over(self) -> None:
        """Wake the worker if there is anything to do, unless a thread that steps the device will find it."""
        worker, device = self._submission.worker, self._device
        if worker is None:
            return
        if worker.claims:
            # Other threads look at the ring when they take their claim back. The worker may be asleep until its turn.
            if WORKER in worker.claims:
                worker.wake()
        elif (device.has_work() or device.interrupt.pending) and worker.wake():
            device.counters.doorbells += 1

    def notify_once(self, fn: Callable[[], object]) -> None:
        """Hand over what is left, because this thread is going to sleep. `fn` is not called: a completion wakes it.

        Raises UsageError in a thread that is stepping the device, which would wait for itself.
        """
        worker = self._submission.worker
        if worker is not None and self._ident() in worker.claims:
            raise UsageError(
                "this thread is doing the device's work, and was interrupted by a completion or a signal handler that "
                "waits for the device: that wait would never end; don't wait there, or make the accelerator without "
                "assist"
            )
        self.hand_over()

    # The work

    def _work(self) -> int:
        """Do short requests, the oldest first, until one is not short or SPELL_NS have passed. Returns how many."""
        device = self._device
        ring, now = device.ring, device.clock.now_ns
        first_ns = shown_ns = done_ns = now()
        kernel, most_bytes, count = None, 0, 0
        done: list[Submittable] = []
        goes_on = device.straight
        try:
            while goes_on and (batch := ring.announced()):
                for request in batch:
                    payload = request.payload
                    if request.kernel is not kernel or len(payload) > most_bytes:
                        short = self._if_short(request)
                        if short is None:
                            goes_on = False
                            break
                        kernel, most_bytes = short
                    request.started_ns = begun_ns = done_ns
                    try:
                        request.result = request.kernel.run(payload, request.aux, request.key)
                    except (KeyboardInterrupt, MemoryError, RecursionError) as error:
                        # The cause may be this thread and not the request. So the worker does the request.
                        self._short.pop(request.op, None)
                        self._kernel = None
                        if isinstance(error, KeyboardInterrupt):
                            raise
                        goes_on = False
                        break
                    except BaseException as error:
                        request.error = error
                    request.finished_ns = done_ns = now()
                    done.append(request)
                    count += 1
                    if done_ns - begun_ns >= ASSIST_NS:
                        self._learn(request)
                        kernel = None
                    if done_ns - shown_ns >= SHORT_NS:
                        shown, done = done, []
                        self._complete(shown, done_ns)
                        shown_ns = now()
                        if shown_ns - first_ns >= SPELL_NS:
                            goes_on = False
                            break
                if done:
                    shown, done = done, []
                    self._complete(shown, done_ns)
        except BaseException:
            if done:
                self._complete(done, done_ns)
            raise
        device.counters.busy_ns += done_ns - first_ns
        return count

    def _complete(self, done: list[Submittable], now_ns: int) -> None:
        """Move these requests, the first of the submission ring, to the completion ring, and hand them out.

        If an exception comes before they are moved, they stay where they are, and the worker does them once more.
        """
        device, count = self._device, len(done)
        ring, completions, counters, reaper = device.ring, device.completions, device.counters, device.reaper
        completions.check_room(count)
        device.interrupt.pend(now_ns, count)
        head, assisted = ring.head + count, counters.assisted + count
        # Nothing is called between the next two lines, so no exception can come and leave a request in both places.
        completions.entries += done
        ring.head, counters.assisted = head, assisted
        try:
            reaper.own_thread = True
            ring.clear(count)
            counters.count_batch(count)
            reaper.interrupt_if_due(now_ns)
        finally:
            reaper.own_thread = False

    # What is short

    def _if_short(self, request: Submittable) -> tuple[Kernel, int] | None:
        """The kernel of a short request, and its largest short payload. None if the request is for the worker."""
        op, size_bytes = request.op, len(request.payload)
        known = self._known(op, request.kernel)
        if known is None or size_bytes > known[1]:
            trial = self._trials.get(op)
            if trial is not None and getattr(trial, "finished_ns", None):  # not set before its work is done
                self._learn(trial)
                self._trials.pop(op, None)
                known = self._known(op, request.kernel)
            if known is None or size_bytes > known[1]:
                if size_bytes <= SHORT_BYTES:
                    self._trials.setdefault(op, request)
                return None
        return known if self._device.straight else None

    def _known(self, op: str, kernel: Kernel) -> tuple[Kernel, int] | None:
        known = self._short.get(op)
        return known if known is not None and known[0] is kernel else None

    def _learn(self, request: Submittable) -> None:
        """Learn from a request that is done how large a payload of its kernel is still short."""
        op, kernel, size_bytes = request.op, request.kernel, len(request.payload)
        known = self._known(op, kernel)
        if request.finished_ns - request.started_ns < ASSIST_NS:
            if request.error is None and (known is None or size_bytes > known[1]):
                self._short[op] = kernel, size_bytes
        elif known is not None and size_bytes <= known[1]:
            self._short[op] = kernel, size_bytes - 1
            self._kernel = None


def assistant_of(device: Device, submission: Submission) -> Assistant | None:
    """An assistant for this device, or None if there is nothing that a waiting thread could do earlier than the device.

    There is nothing in virtual time, because there the thread that waits does all the work anyway. There is nothing
    with a timing model, because then a request completes later than its work is done. And there is nothing with fault
    rules or a trace, because then the worker does everything.
    """
    return Assistant(device, submission) if device.straight and not device.clock.virtual else None
