"""The full ring: here an operation that gets no slot pauses with EAGAIN, and is submitted once more after its wake.

The engine's `Retry` (retry_setting.py) says how often it tries and what wakes it. The slot queue (slot_queue.py)
decides which operation gets the next free slot. The waker of the wait context (wakers.py) sets the status EAGAIN.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.errors import OperationError, RingFullError
from engine.jobs.pause import PAUSE
from engine.offload.operation import Operation, Waker
from engine.offload.retry_setting import Retry
from engine.offload.slot_queue import SlotQueue
from engine.offload.statistics import Counters
from engine.protocol import Accelerator, Timer

SPINS, SPIN_NS = 16, 100_000
"""With `Retry(wake="at_once")`, the first SPINS tries are woken at once, and each later one after SPIN_NS.

The delay gives the device time. A loop that only spins gives the GIL away just for moments, during its system calls.
On machines where threads are slow to wake, the worker never gets the GIL in such a moment, so it never frees the slot
for which the loop spins. In virtual time, a loop that always finds a readable fd never jumps the clock.

In virtual time without a limit of tries, the wake comes when a slot is free instead. With a timer for each try, the
clock would go on for ever even if no slot ever became free, and nobody would be told that the jobs are stalled."""


class RingFull:
    """What the operations of one engine do when the ring is full."""

    __slots__ = ("_accel", "_counters", "_retry", "_slots")

    def __init__(self, accel: Accelerator, retry: Retry, slots: SlotQueue, counters: Counters) -> None:
        self._accel = accel
        self._retry = retry
        self._slots = slots
        self._counters = counters

    async def get_slot(self, operation: Operation, waker: Waker, submit: Callable[[Operation], bool]) -> None:
        """Pause and try once more, until the operation is submitted. Each pause is a yield, as in `Performer.perform`.

        If the operation is settled while it waits, by its deadline or by `Engine.close`, this returns too, and
        `operation.submitted` is false. Raises RingFullError after as many tries as the Retry allows.
        """
        slots, counters = self._slots, self._counters
        limit = self._retry.blocking_limit if waker.blocking else self._retry.limit
        tries = 0
        if slots.may_submit(operation) and _try(operation, submit):
            return
        while True:
            tries += 1
            if limit is not None and tries > limit:
                raise RingFullError(
                    f"the ring was still full after {limit} tries: resume jobs and reap completions more often, "
                    "use a larger depth, or a Retry with a higher limit"
                )
            waker.wait_for_slot(operation)
            timer = self._arrange_wake(operation, waker, tries)
            counters.eagains += 1
            await PAUSE
            done = waker.resumed(operation)
            if timer is not None:
                timer.cancel()
            if done:
                break
            # A thread that sleeps does not wait for its turn. The turn may be that of a job of this very thread, and
            # that job can't run meanwhile.
            if (waker.blocking or slots.may_submit(operation)) and _try(operation, submit):
                operation.promised = True
                counters.slots += 1
                break
        slots.leave(operation)

    def _arrange_wake(self, operation: Operation, waker: Waker, tries: int) -> Timer | None:
        """Arrange that a caller that waits for a slot is woken. Returns the timer that will do it, or None."""
        retry, accel = self._retry, self._accel
        operation.promised = True
        wait_ns = retry.sleep_ns(tries) if waker.blocking else 0
        if retry.wake == "space" or waker.blocking:
            self._slots.join(operation)
        else:
            wait_ns = retry.pause_ns(tries)
            if not wait_ns:
                operation.promised = not waker.silent_eagain
                if not operation.promised:
                    return None
                if tries < SPINS:
                    waker.nudge()
                    return None
                if accel.clock.virtual and retry.limit is None:
                    self._slots.join(operation)
                    return None
                wait_ns = SPIN_NS
        return accel.call_at(accel.clock.now_ns() + wait_ns, waker.nudge) if wait_ns else None


def _try(operation: Operation, submit: Callable[[Operation], bool]) -> bool:
    operation.submitted = True  # set first, because it may complete before submit returns
    submitted = False
    try:
        submitted = submit(operation)
    except Exception as error:
        raise not_taken(operation, error) from error
    finally:
        operation.submitted = submitted
    return submitted


def not_taken(operation: Operation, error: Exception) -> OperationError:
    """What the caller gets if `submit` raised. The operation has used no slot, so another one may have its turn."""
    operation.submitted = False
    return OperationError(f"the device did not take {operation.op}: {error}")
