"""Wakers for tests of operations and of the slot queue alone: they note how they were called."""

from __future__ import annotations

from engine.offload.operation import Operation, Waker


class Bell(Waker):
    """Notes its wakes and nudges. Each call raises the next of `errors` before it does anything, until none is left."""

    def __init__(self, *errors: BaseException, fires_first: bool = False) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.arg = self
        self._errors = list(errors)
        self._fires_first = fires_first
        """Whether a wake that raises has marked the operation as fired before."""

    def wake(self, operation: Operation) -> None:
        if self._fires_first:
            operation.fired = True
        self._called("wake")
        operation.fired = True

    def nudge(self) -> None:
        self._called("nudge")

    def _called(self, what: str) -> None:
        self.calls.append(what)
        if self._errors:
            raise self._errors.pop(0)


def operation_in(flight: dict[Operation, None], bell: Bell | None = None) -> tuple[Operation, Bell]:
    """A new operation in flight, and its waker."""
    bell = bell or Bell()
    operation = Operation("echo", b"abc", b"", None, flight, bell)
    flight[operation] = None
    return operation, bell
