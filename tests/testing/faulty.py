"""A device in virtual time, and requests that note when and how often they complete: for the tests of faults."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from sim import Accelerator, Delivery, Request, Session, VirtualClock

SERVICE_NS = 10_000


class Noted(Request):
    """A request that notes its completions and wakes, and the order of completions in `log`."""

    def __init__(self, accel: Accelerator, log: list[Noted], payload: bytes, op: str, session: Session | None) -> None:
        super().__init__(op, payload, b"", session, self._note)
        self._accel = accel
        self._log = log
        self.at_ns: list[int] = []
        self.woken_at_ns: list[int] = []

    def _note(self, request: Request) -> Delivery | None:
        self._log.append(self)
        self.at_ns.append(self._accel.clock.now_ns())
        return None

    def wake(self) -> None:
        self.woken_at_ns.append(self._accel.clock.now_ns())

    @property
    def right(self) -> bool:
        """Whether it completed once, with the right result."""
        return len(self.at_ns) == 1 and self.error is None and self.result == sha256(self.payload).digest()


class Faulty:
    """A context manager: a device with one unit, on which everything takes 10 us."""

    def __init__(self, *faults: Any, depth: int = 16, units: int = 1, **options: Any) -> None:
        self.clock = VirtualClock()
        self.accel = Accelerator(
            depth, units, f"fixed:{SERVICE_NS}ns", faults=faults, seed=1, clock=self.clock, **options
        )
        self.log: list[Noted] = []
        """Completions, in their order."""

    def submit(self, count: int = 1, op: str = "sha256", session: Session | None = None) -> list[Noted]:
        """So many requests, each with a payload of its own; those that were not taken too."""
        requests = [Noted(self.accel, self.log, f"{op} {number}".encode(), op, session) for number in range(count)]
        for request in requests:
            self.accel.prepare(request)
            self.accel.submit(request)
        return requests

    def drain(self) -> None:
        """Let happen what will."""
        while self.clock.jump():
            pass

    def __enter__(self) -> Faulty:
        return self

    def __exit__(self, *exc: object) -> None:
        self.accel.close(drain=False)
        counted = self.accel.statistics()
        assert counted.submitted == counted.completed + counted.failed + counted.orphaned + counted.in_flight
        assert counted.in_flight == 0
