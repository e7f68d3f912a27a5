"""An accelerator that does nothing by itself: its user says when each request completes, fails, or is due.

It is for models, and for tests of one order of events. It fits `engine.protocol.Accelerator`. One thread may use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from engine.errors import UsageError


class ManualClock:
    """A clock that stands still until somebody sets it. Code that waits on it calls `on_jump`."""

    virtual: ClassVar[bool] = True

    def __init__(self) -> None:
        self.time_ns = 0
        self.on_jump: Callable[[], bool] = lambda: False
        """What a jump does: move something, and return whether that was possible."""

    def now_ns(self) -> int:
        return self.time_ns

    def jump(self) -> bool:
        return self.on_jump()


class ManualTimer:
    """A call that somebody has asked for. `fire` makes it, unless it was cancelled."""

    __slots__ = ("_fn", "_timers", "due_ns")

    def __init__(self, timers: list[ManualTimer], due_ns: int, fn: Callable[[], object]) -> None:
        self._timers = timers
        self._fn = fn
        self.due_ns = due_ns

    def cancel(self) -> None:
        if self in self._timers:
            self._timers.remove(self)

    def fire(self) -> None:
        """Make the call, if it was not made before."""
        self._timers.remove(self)
        self._fn()


def echo(request: Any) -> bytes:
    """The result that a request gets by default: its name, a colon and its payload."""
    return b"%s:%s" % (request.op.encode(), request.payload)


class ManualAccelerator:
    """A ring of `depth` slots.

    `requests` are the requests in flight, `ready` those that have completed and were not polled yet, and `timers` the
    timers that are set. A slot is free again when its completion is handed out, as on a real ring.
    """

    def __init__(self, depth: int = 256) -> None:
        if not isinstance(depth, int) or depth < 1:
            raise UsageError(f"depth={depth!r}: use a whole number of at least 1")
        self.depth = depth
        self.clock = ManualClock()
        self.requests: list[Any] = []
        self.ready: list[Any] = []
        self.timers: list[ManualTimer] = []
        self.polled = False
        self.submitted = 0
        self.answers: list[Any] = []
        """What `complete` of each request has returned: 1 if orphaned, 2 if spurious, else something false."""
        self._on_space: list[Callable[[int], None]] = []
        self._notify: list[Callable[[], object]] = []

    @property
    def free_slots(self) -> int:
        return self.depth - len(self.requests) - len(self.ready)

    def session(self, op: str, key: object, **params: Any) -> Any:
        """The key itself."""
        return key

    def prepare(self, request: Any) -> None:
        request.payload = bytes(request.payload)
        request.kernel = request.key = None

    def submit(self, request: Any) -> bool:
        if self.free_slots < 1:
            return False
        request.submitted_ns = self.clock.time_ns
        self.submitted += 1
        self.requests.append(request)
        return True

    def complete(
        self,
        request: Any,
        error: BaseException | None = None,
        result: Callable[[Any], bytes] = echo,
        tell: Callable[[Any], Any] = lambda request: request.complete(),
    ) -> None:
        """Complete a request that is in flight, with a result or an error. `tell` hands it to its owner."""
        self.requests.remove(request)
        request.error = error
        request.result = None if error is not None else result(request)
        request.started_ns = request.finished_ns = self.clock.time_ns
        if self.polled:
            self.ready.append(request)
            waiting, self._notify = self._notify, []
            for fn in waiting:
                fn()
        else:
            self._hand_out(request, tell)

    def poll(self, quota: int = 0) -> int:
        batch = self.ready[: quota or None]
        del self.ready[: len(batch)]
        for request in batch:
            self._hand_out(request, lambda request: request.complete())
        return len(batch)

    def _hand_out(self, request: Any, tell: Callable[[Any], Any]) -> None:
        self.answers.append(tell(request))
        for freed in tuple(self._on_space):
            freed(1)

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        self.polled = polled
        self._on_space.append(on_space)

    def detach(self, on_space: Callable[[int], None]) -> None:
        self._on_space.remove(on_space)

    def notify_once(self, fn: Callable[[], object]) -> None:
        if self.ready:
            fn()
        else:
            self._notify.append(fn)

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> ManualTimer:
        timer = ManualTimer(self.timers, due_ns, fn)
        self.timers.append(timer)
        return timer
