"""A fleet in virtual time whose members reset, stall, fail, are pulled out and come back, all of it from a seed."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sim import Accelerator, Request, VirtualClock
from simaccel.fleet import Fleet, FleetStatistics

IN_FLIGHT = 24
CALM_NS, TROUBLE_NS = 3_000_000, 6_000_000
"""The longest pause between two troubles, and the longest that one lasts."""


@dataclass(slots=True)
class Outcome:
    """What became of the requests."""

    ended: list[int]
    """How often each was completed."""
    wrong: list[int] = field(default_factory=list)
    """Requests with a result that is not their own, or with an error."""
    troubles: dict[str, int] = field(default_factory=dict)
    statistics: FleetStatistics | None = None


class Storm:
    """`count` requests through a fleet of three members, one of which is in trouble now and then."""

    def __init__(self, seed: int, count: int, policy: str, *, software: bool) -> None:
        self.random = random.Random(seed)
        self.clock = VirtualClock()
        self.members = [
            Accelerator(16, 2, "uniform:5us,60us+fixed:3us", clock=self.clock, seed=seed + number)
            for number in range(3)
        ]
        self.fleet = Fleet(
            self.members, policy, software=software, patience_ns=1_000_000, retry_ns=700_000, probe="null"
        )
        self.outcome = Outcome([0] * count)
        self.next = self.ended = 0
        """How many were begun, and how many have ended at least once."""
        self.again: deque[Request] = deque()
        """Requests that found no slot."""
        self.troubled: set[int] = set()
        self.coming: list[str] = []
        """Kinds of trouble that come next, so that each comes as often."""

    def run(self) -> Outcome:
        """All of it; closes the fleet."""
        with self.fleet:
            self._trouble_later()
            self._submit()
            while self._left():
                assert self.clock.jump(), f"{self._left()} requests are left, and nothing is due: {self.fleet.members}"
                self._submit()
            self.outcome.statistics = self.fleet.statistics()
        return self.outcome

    def _left(self) -> int:
        return len(self.outcome.ended) - self.ended

    def _submit(self) -> None:
        while self.fleet.in_flight < IN_FLIGHT and (self.again or self.next < len(self.outcome.ended)):
            if self.again:
                request = self.again.popleft()
            else:
                request = Request("echo", self.next.to_bytes(8), on_complete=self._ended)
                self.next += 1
            self.fleet.prepare(request)
            if not self.fleet.submit(request):
                self.again.appendleft(request)
                return

    def _ended(self, request: Request) -> None:
        number = int.from_bytes(request.payload)
        self.ended += not self.outcome.ended[number]
        self.outcome.ended[number] += 1
        if request.error is not None or request.result != request.payload:
            self.outcome.wrong.append(number)

    # Trouble

    def _trouble_later(self) -> None:
        at_ns = self.clock.now_ns() + int(self.random.random() * CALM_NS) + 1
        self.fleet.call_at(at_ns, self._trouble)

    def _trouble(self) -> None:
        if self.next == len(self.outcome.ended) or self.fleet.closed:
            return  # a calm phase at the end
        # One whose trouble is over may still be down, until it is asked.
        free = [number for number in range(3) if number not in self.troubled and self.fleet.members[number].up]
        if len(free) > 1:  # one is always left
            number = self.random.choice(free)
            kinds: dict[str, Callable[[Accelerator], Callable[[], object]]] = {
                "reset": self._reset,
                "remove": self._remove,
                "stall": lambda accel: accel.faults.install("hold").remove,
                "lose": lambda accel: self._lose(accel),
                "fail": lambda accel: accel.faults.install("fail:p=0.4").remove,
                "reject": lambda accel: accel.faults.install("reject:as=fatal,p=0.5").remove,
                "duplicate": lambda accel: accel.faults.install("duplicate:p=0.3").remove,
                "full": lambda accel: accel.faults.install("reject:as=eagain,p=0.7").remove,
            }
            if not self.coming:
                self.coming = self.random.sample(list(kinds), len(kinds))
            name = self.coming.pop()
            self.outcome.troubles[name] = self.outcome.troubles.get(name, 0) + 1
            self.troubled.add(number)
            end = kinds[name](self.members[number])
            until_ns = self.clock.now_ns() + int(self.random.random() * TROUBLE_NS) + 1
            self.fleet.call_at(until_ns, lambda: self._over(number, end))
        self._trouble_later()

    def _over(self, number: int, end: Callable[[], object]) -> None:
        self.troubled.discard(number)
        end()

    def _reset(self, accel: Accelerator) -> Callable[[], object]:
        accel.faults.reset()
        return accel.faults.reset

    def _remove(self, accel: Accelerator) -> Callable[[], object]:
        accel.faults.remove()
        return accel.faults.plug_in

    def _lose(self, accel: Accelerator) -> Callable[[], object]:
        guard = accel.faults.install("lose:p=0.2")

        def end() -> None:
            guard.remove()
            accel.faults.reset()  # what was lost has its slots until then

        return end
