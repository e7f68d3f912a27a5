"""An operation: one request of an engine, from the call until its caller has been told of the end.

Four parties may end an operation: its completion, its deadline, its caller that gives up, and the engine that closes.
They may be on different threads. Exactly one of them must settle the operation and wake its caller. The rules are:

- The operation is in its engine's `flight` from the call until one party takes it out. Deleting from a dict is atomic,
  so exactly one party succeeds. The others find that the operation is gone.
- The party that took it out settles it: it sets `verdict`, or leaves the device's `result` or `error` as it is, and
  then sets `done`. Only after that it wakes the waiter, because the waiter may be gone a moment after it was woken.
- If an exception such as Ctrl-C comes before the waiter was woken, the wake is tried once more. If that fails too, the
  operation is put back in flight, so that another party can still end it.
- A completion that finds the operation gone is dropped. The device counts it as orphaned, and a second completion of
  the same operation as spurious.

`Waker` is the place where the caller waits, as an operation and the algorithm in `engine.offload.perform` see it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from engine.errors import comes_in_between
from hotpath.submittable import Submittable

if TYPE_CHECKING:
    from engine.protocol import BatchCallback, Timer


class Waker:
    """Wakes one place where a caller waits: a wait context, a blocked thread, or a task of an event loop.

    To wait, the caller calls `wait_for_slot` or `wait_for_completion`, pauses, and after the pause calls `resumed`. Any
    thread may call `wake` and `nudge`, even before the caller has paused. The methods here are those of a place without
    a token and without a status.
    """

    __slots__ = ("arg", "batch_callback", "blocking", "erred", "owner", "silent_eagain")

    def __init__(self, owner: object = None, *, blocking: bool = False, silent_eagain: bool = False) -> None:
        self.owner = owner
        """Who keeps this waker for its next operations, or None."""
        self.blocking = blocking
        """Whether the caller blocks its thread while it waits."""
        self.silent_eagain = silent_eagain
        """Whether the status EAGAIN is all that tells the application to retry at once. If so, no wake is sent for
        it."""
        self.batch_callback: BatchCallback | None = None
        """The callback that can be called once for many completions, with the `arg` of each. If None, `wake` is called
        for each completion."""
        self.arg: Any = None
        self.erred = False
        """Whether an operation that failed has left the status at ERR. If so, the next that succeeds calls
        `end_well`."""

    def wait_for_slot(self, operation: Operation) -> None:
        """The caller is about to pause because the ring was full."""

    def wait_for_completion(self, operation: Operation) -> None:
        """The caller is about to pause because the operation is in flight."""

    def resumed(self, operation: Operation) -> bool:
        """The caller was resumed: take the token, if there is one. Returns whether the operation is done.

        If it returns True, no token of this operation is left, and none will come later and wake the next operation
        by mistake. That is why the caller must call this, and must not look at `operation.done` itself.
        """
        return operation.done

    def wake(self, operation: Operation) -> None:
        """The operation is done. Called once, from any thread."""
        raise NotImplementedError  # pragma: no cover - every waker has its own

    def nudge(self) -> None:
        """Wake the caller although the operation is not done: there may be a slot, or a fault wakes it for nothing. The
        caller looks, and may wait again. Any thread."""
        raise NotImplementedError  # pragma: no cover - every waker has its own

    def end_badly(self) -> None:
        """The operation has failed: set the status ERR, if there is a wait context."""

    def end_well(self) -> None:
        """The operation has succeeded, and `erred` is set: take the status ERR back."""


ORPHANED = 1
SPURIOUS = 2


def _complete_all(operations: Sequence[Operation], report: Callable[[Operation, object], object]) -> None:
    """Called when the device has completed all of these. Does what `complete` does for each, but calls a callback
    that several of them share only once.

    If `complete` would return something other than None, or raise, `report(operation, outcome)` is called with the
    return value or the exception. Only for threads that get no KeyboardInterrupt. This is a hot path: it saves a
    quarter of the cost of a completion, and all wake-ups of a scheduler except one.
    """
    told: BatchCallback | None = None
    args: list[Any] = []
    for operation in operations:
        try:
            del operation.flight[operation]
        except KeyError:
            report(operation, operation.complete())
            continue
        operation.completed = operation.done = True
        waker = operation.waker
        callback = waker.batch_callback
        if callback is None:
            try:
                waker.wake(operation)
            except BaseException as error:
                report(operation, error)
            continue
        if callback is not told:
            if told is not None:
                _call_all(told, args, operations, report)
                args = []
            told = callback
        args.append(waker.arg)
    if told is not None:
        _call_all(told, args, operations, report)


class Operation(Submittable):
    """One operation. It is a `protocol.Request`, so it goes over the ring itself."""

    __slots__ = (
        "completed",
        "done",
        "fired",
        "flight",
        "promised",
        "resumed_ns",
        "submitted",
        "timer",
        "turn",
        "verdict",
        "waker",
    )

    def __init__(
        self, op: str, payload: bytes, aux: bytes, session: Any, flight: dict[Operation, None], waker: Waker
    ) -> None:
        self.op = op
        self.payload = payload
        self.aux = aux
        self.session = session
        self.flight = flight
        self.waker = waker
        self.error: BaseException | None = None
        self.verdict: Exception | None = None
        """Why the operation failed, if it was not the device that failed it."""
        self.done = False
        self.fired = False
        """Whether the wake for `done` was given. After that, no more tokens of this operation can come."""
        self.submitted = False
        self.completed = False
        """Whether the device has completed it. A completion after that is spurious."""
        self.turn = False
        """Whether a slot is free and it is this operation's turn to take it."""
        self.promised = True
        """Whether a wake will come. None comes after an EAGAIN that the application must retry by itself."""
        self.timer: Timer | None = None
        self.started_ns = 0
        self.resumed_ns: int
        """When the caller went on. The engine sets it then."""

    def complete(self) -> int | None:
        """Called when the device has completed it. Any thread. Returns ORPHANED or SPURIOUS if nobody waits for it."""
        try:
            del self.flight[self]
        except KeyError:
            # `completed` tells whether the completion is spurious. A mark by the party that took the operation out of
            # flight could not tell: that party may have taken it out just now, and not have set its mark yet.
            if self.completed:
                return SPURIOUS
            self.completed = True
            return ORPHANED
        self.completed = True
        self.done = True
        try:
            self.waker.wake(self)
        except BaseException as error:
            self._wake_again(error)
        return None

    complete_all = staticmethod(_complete_all)

    def wake(self) -> None:
        """Wake the caller without a completion, as a faulty device does: it looks, and waits again. Any thread."""
        if not self.done:
            self.waker.nudge()

    def fail(self, verdict: Exception) -> bool:
        """Settle the operation with this exception and wake the caller. Returns False if it was settled already. Any
        thread."""
        try:
            del self.flight[self]
        except KeyError:
            return False
        self.verdict = verdict
        self.done = True
        try:
            self.waker.wake(self)
        except BaseException as error:
            self._wake_again(error)
        return True

    def _wake_again(self, error: BaseException) -> NoReturn:
        """Wake the caller once more, if the wake that raised this exception has not woken it. Raise the exception."""
        if not self.fired and comes_in_between(error):
            try:
                self.waker.wake(self)
            except BaseException:
                if not self.fired:
                    self.completed = self.done = False
                    self.verdict = None
                    self.flight[self] = None
        raise error

    def abandon(self) -> bool:
        """Settle the operation for a caller that gives up. Returns False if it was settled before; then its wake has
        come or will come."""
        try:
            del self.flight[self]
        except KeyError:
            return False
        self.done = self.fired = True  # there is nobody left to wake
        return True

    def __repr__(self) -> str:
        state = "done" if self.done else "in flight" if self.submitted else "not submitted"
        return f"<operation {self.op} of {len(self.payload)} bytes, {state}>"


def _call_all(
    callback: BatchCallback,
    args: list[Any],
    operations: Sequence[Operation],
    report: Callable[[Operation, object], object],
) -> None:
    """Call the callback once for all of these. If it raises, call it once for each, so that every caller is woken."""
    try:
        callback.call_all(args)
        return
    except BaseException as error:
        failure = error
    ids = {id(arg) for arg in args}
    told = [one for one in operations if one.waker.batch_callback is callback and id(one.waker.arg) in ids]
    report(told[0], failure)
    for operation in told:
        try:
            operation.waker.wake(operation)
        except BaseException as error:
            report(operation, error)
