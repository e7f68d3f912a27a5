"""Wakers for tests of operations and of the slot queue alone: they note how they were called."""

from __future__ import annotations

from typing import Any

from engine.offload.operation import Operation
from engine.protocol import BatchCallback


class Bell:
    """Notes its wakes and nudges. Each call raises the next of `errors` before it does anything, until none is left."""

    blocking = False
    silent_eagain = False
    erred = False
    batch_callback: BatchCallback | None = None

    def __init__(self, *errors: BaseException, fires_first: bool = False) -> None:
        self.calls: list[str] = []
        self.arg: Any = self
        self._errors = list(errors)
        self._fires_first = fires_first
        """Whether the wake was given when it raises."""

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

    def wait_for_slot(self, operation: Operation) -> None:
        """Not asked here."""

    def wait_for_completion(self, operation: Operation) -> None:
        """Not asked here."""

    def resumed(self, operation: Operation) -> bool:
        return operation.done

    def end_badly(self) -> None:
        """Not asked here."""

    def end_well(self) -> None:
        """Not asked here."""


def operation_in(flight: dict[Operation, None], bell: Bell | None = None) -> tuple[Operation, Bell]:
    """A new operation in flight, and its waker."""
    bell = bell or Bell()
    operation = Operation("echo", b"abc", b"", None, flight, bell)
    flight[operation] = None
    return operation, bell
