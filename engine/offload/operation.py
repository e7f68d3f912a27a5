"""An operation: a request of the engine's, from the call to the moment its caller has been told.

Rules:

- It is in its engine's `flight` from the call until somebody takes it out; a dict's del is atomic, so there is
  exactly one who does: the completion, the deadline, the caller that gives up, or the engine that closes.
- Whoever takes it out settles it (`verdict` or the device's result, then `done`) and then wakes its waiter, in this
  order: the waiter may be gone a moment after it was woken.
- If an exception that nobody foresees comes before the waiter is woken, such as Ctrl-C, the wake is tried once more. If
  that fails as well the operation is in flight again, as if it had not been taken out: whoever waits can still be told.
- What completes later finds the operation gone and is dropped. The device counts it as orphaned, and a second
  completion as spurious.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from engine.errors import comes_in_between

if TYPE_CHECKING:
    from engine.protocol import BatchCallback, Timer


class Waker(Protocol):
    """How one place is woken."""

    blocking: bool
    """Whether it waits by keeping its thread."""
    silent_again: bool
    """Whether an EAGAIN that is woken at once is told by the status alone."""

    def wait_again(self, operation: Operation) -> None: ...

    def wait_done(self, operation: Operation) -> None: ...

    def resumed(self, operation: Operation) -> bool: ...

    def wake(self, operation: Operation) -> None: ...

    def nudge(self) -> None: ...

    batch_callback: BatchCallback | None
    """What to tell of many completions at once, each by its `arg`; None: call `wake` for each."""
    arg: Any

    erred: bool
    """Whether a fatal end left the status at ERR where nothing but `end_well` would take it away."""

    def end_badly(self) -> None:
        """The operation has failed: set the status ERR, where there is a status."""
        ...

    def end_well(self) -> None:
        """The operation has succeeded, and `erred` is set."""
        ...


ORPHANED = 1
SPURIOUS = 2


class Operation:
    """One operation. Fits `protocol.Request`, so that it is itself what goes over the ring."""

    __slots__ = (
        "aux",
        "completed",
        "done",
        "error",
        "finished_ns",
        "fired",
        "flight",
        "kernel",
        "key",
        "op",
        "payload",
        "promised",
        "result",
        "resumed_ns",
        "session",
        "started_ns",
        "submitted",
        "submitted_ns",
        "timer",
        "turn",
        "verdict",
        "waker",
    )

    kernel: Any
    key: Any
    submitted_ns: int
    started_ns: int
    finished_ns: int
    resumed_ns: int
    result: bytes | None

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
        """Why it failed, if it was not the device that failed it."""
        self.done = False
        self.fired = False
        """Whether the wake for `done` has been given: behind it no token can come any more."""
        self.submitted = False
        self.completed = False
        """Whether the device is done with it: what it completes again is spurious."""
        self.turn = False
        """A slot fell free and it is this operation's turn to take it."""
        self.promised = True
        """Whether a wake will come. Not for an EAGAIN that the application must resume by itself."""
        self.timer: Timer | None = None
        self.started_ns = 0

    def complete(self) -> int | None:
        """The device has completed it. Any thread; twice does no harm."""
        try:
            del self.flight[self]
        except KeyError:
            # Not a mark of whoever took it out: that one may have done so just now, and not have come to mark it.
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

    @staticmethod
    def complete_all(operations: Sequence[Operation], report: Callable[[Operation, object], object]) -> None:
        """The device has completed all of these: `complete` for each, and one call for those whom one callback tells.

        `report(operation, outcome)` is called for those whose `complete` would have answered anything but None, or
        raised: with that. Only by a thread that no KeyboardInterrupt comes to. Hot: it saves a quarter of what a
        completion costs, and of the wake-ups all but one.
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

    def wake(self) -> None:
        """A wake without a completion, as a faulty device gives it: whoever waits looks, and waits on. Any thread."""
        if not self.done:
            self.waker.nudge()

    def fail(self, verdict: Exception) -> bool:
        """Settle it with an exception, and wake its waiter. False if it was settled already. Any thread."""
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
        """An exception came out of the wake: raise it, once the waiter is told."""
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
        """The caller gives up and waits no more. False if it was settled meanwhile: then a wake has come, or comes."""
        try:
            del self.flight[self]
        except KeyError:
            return False
        self.done = self.fired = True  # nobody will wake its waiter
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
    """Call it once for all of these; if it raises, once for each, so that none is left untold."""
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
