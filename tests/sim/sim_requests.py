"""Requests for tests that drive the device without an engine, and what they wait with in real time."""

from __future__ import annotations

import select
import threading
from collections import Counter
from typing import Any

from sim import Accelerator, Delivery, Request, Session


def readable(*fds: int) -> list[int]:
    """Which of the fds have something to read now."""
    poller = select.poll()
    for fd in fds:
        poller.register(fd, select.POLLIN)
    return sorted(fd for fd, _ in poller.poll(0))


class Completions:
    """Makes requests of one accelerator and keeps those that have completed, in their order."""

    def __init__(self, accel: Accelerator) -> None:
        self.accel = accel
        self.done: list[Request] = []
        self.delivery: Delivery | None = None
        """What the handler answers."""
        self._count = threading.Semaphore(0)

    def request(
        self, op: str = "echo", payload: Any = b"", *, aux: Any = b"", session: Session | None = None
    ) -> Request:
        """Prepared, and not submitted."""
        request = Request(op, payload, aux, session, self._complete)
        self.accel.prepare(request)
        return request

    def submit(self, op: str = "echo", payload: Any = b"", **more: Any) -> Request:
        """Prepared and submitted; the ring must not be full."""
        request = self.request(op, payload, **more)
        assert self.accel.submit(request)
        return request

    def fill(self, op: str = "echo") -> list[Request]:
        """Submitted until the ring is full; the payloads count up from 0."""
        return [self.submit(op, bytes([index % 256])) for index in range(self.accel.free_slots)]

    def wait(self, count: int = 1) -> None:
        """Keep the thread until so many more have completed. For devices in real time."""
        for _ in range(count):
            self._count.acquire()

    @property
    def payloads(self) -> list[bytes]:
        """Of those that have completed."""
        return [request.payload for request in self.done]

    def _complete(self, request: Request) -> Delivery | None:
        self.done.append(request)
        self._count.release()
        return self.delivery


class Told:
    """Requests that may be interrupted anywhere, and how often each owner was told.

    The device calls methods of lists, which no Ctrl-C comes into: what it handed out is counted.
    """

    def __init__(self, accel: Accelerator) -> None:
        self.accel = accel
        self.submitted: list[Request] = []
        self.completed: list[Request] = []
        self.freed: list[int] = []
        """The slots of each call of `on_space`, for which `freed.append` is to be attached."""

    @property
    def count(self) -> Counter[int]:
        """How often the owner of each was told, by the request's id."""
        return Counter(map(id, self.completed))

    def submit(self, payload: bytes) -> bool:
        """False if the ring is full."""
        request = Request("echo", payload, on_complete=self.completed.append)
        self.accel.prepare(request)
        self.submitted.append(request)
        return self.accel.submit(request)

    def check(self, doubles: int = 0) -> None:
        """Everything that got a slot was told of once, and the sums are right."""
        statistics = self.accel.statistics()
        assert statistics.in_flight == 0
        assert statistics.submitted == statistics.completed + statistics.failed + statistics.orphaned
        count = self.count
        assert len(self.completed) - doubles <= statistics.submitted == len(count)
        assert max(count.values(), default=0) <= 1 + doubles
        assert sum(self.freed) >= statistics.submitted


class Gate:
    """A kernel that keeps the worker until the test opens it: what is in flight then is known exactly."""

    def __init__(self, accel: Accelerator, name: str = "gate") -> None:
        self.entered = threading.Semaphore(0)
        self._open = threading.Semaphore(0)
        accel.register(name, self._run)

    def open(self, times: int = 1) -> None:
        """Let so many requests pass."""
        for _ in range(times):
            self._open.release()

    def _run(self, payload: bytes) -> bytes:
        self.entered.release()
        self._open.acquire()
        return payload
