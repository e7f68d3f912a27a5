"""The router of a fleet: which member gets a request, and what becomes of it when that member fails.

Theory of operation. A request of an owner is a flight. The policy chooses a member, which gets an attempt: a request
of the fleet's own with the flight's data. When the attempt completes, its result goes to the owner. If it failed by the
device's fault, or if the member was given up while it had it, the flight goes to a member that has not tried it.
If no such member has a free slot, the flight waits in `limbo`, and gets a slot before all new requests. So an operation
may run twice, which does no harm because all operations are pure functions. But its owner is told once (see `flight`).

The lock guards our own books only. No member is called and no owner is told while it is held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any
from weakref import WeakSet

from sim.errors import SimError
from simaccel.fleet.failures import Blame, blame_for
from simaccel.fleet.flight import ORPHANED, Attempt, FleetSession, Flight
from simaccel.fleet.member import Member
from simaccel.fleet.policies import FULL, Policy
from simaccel.fleet.statistics import FleetCounters

ROUNDS = 8
"""How often all members are tried with one request, as long as the fault is theirs and not the request's."""


class FleetDownError(SimError):
    """No member of the fleet is up, and it has no software."""


class Router:
    """Any thread may call all of it."""

    def __init__(self, members: list[Member], policy: Policy, clock: Any, retry_ns: int) -> None:
        self.members = members
        self.clock = clock
        self.lock = threading.RLock()
        self.counters = FleetCounters()
        self.sessions: WeakSet[FleetSession] = WeakSet()
        self.limbo: deque[Flight] = deque()
        """Flights that no member has a slot for, oldest first."""
        self.engines: list[Callable[[int], None]] = []
        self.polled = False
        """Whether completions come only by polling."""
        self.closed = False
        self.on_rest: Callable[[], object] = lambda: None
        """Called when nothing is in flight any more."""
        self.idle = threading.Condition(self.lock)
        """Notified when nothing is in flight any more."""
        self.local = threading.local()
        """For each thread. `done`: how many requests it has handed out. `inside`: how many handlers it is inside of."""
        self._policy = policy
        self._retry_ns = retry_ns
        self._freed = 0
        """Free slots that engines were not told about yet."""
        self._refused = False
        """Whether a submit found no slot since engines were last told of free ones."""

    @property
    def in_flight(self) -> int:
        """Requests that were submitted and whose owners were not told yet."""
        return self.counters.in_flight

    def refuse(self) -> None:
        """A submit has found no slot. Under the lock."""
        self._refused = True
        self.counters.ring_full += 1

    def candidates(self, tried: Iterable[Member] = ()) -> list[Member]:
        """The members that may have a request; software only if no other may. Under the lock."""
        devices = [member for member in self.members if member.up and not member.is_software and member not in tried]
        return devices or [member for member in self.members if member.is_software and member not in tried]

    def _able(self, flight: Flight) -> list[Member]:
        candidates, session = self.candidates(flight.tried), flight.request.session
        return candidates if session is None else [member for member in candidates if member in session.by_member]

    def attempt_at(self, flight: Flight, member: Member) -> Attempt:
        """A new attempt of the flight at this member, which has the flight's session."""
        session = flight.request.session
        return Attempt(flight, member, None if session is None else session.by_member[member], self._completed)

    def place(self, flight: Flight) -> bool:
        """Give the flight to a member. False if all that may have it are full. Raises if none may, or all refuse."""
        request = flight.request
        full: set[Member] = set()
        refusal: BaseException | None = flight.error
        while True:
            with self.lock:
                able = self._able(flight)
                if not able and flight.tried and not flight.doubts and flight.rounds < ROUNDS:
                    flight.rounds += 1
                    flight.tried.clear()
                    continue
                if not able:
                    raise refusal or FleetDownError(
                        "no member of the fleet is up: "
                        + "; ".join(f"{member.name}: {member.why_down}" for member in self.members)
                    )
                loads = [
                    len(member.outstanding) if member in able and member not in full and member.free_slots else FULL
                    for member in self.members
                ]
                chosen = self._policy.choose(loads, request.op, request.key)
                if chosen < 0:
                    return False
                member = self.members[chosen]
                attempt = flight.attempt = self.attempt_at(flight, member)
                if not member.outstanding:
                    member.moved_ns = self.clock.now_ns()
                member.outstanding[attempt] = None
            try:
                member.accel.prepare(attempt)
                if member.accel.submit(attempt):
                    return True
                full.add(member)
            except BaseException as error:
                refusal = error
                self._take_back(attempt)
                blame = blame_for(error)
                if blame is Blame.REQUEST:
                    raise
                flight.tried.append(member)
                if blame is Blame.GONE:
                    self.give_up(member, str(error), gone=True)
                continue
            self._take_back(attempt)

    def _take_back(self, attempt: Attempt) -> bool:
        """Take the attempt out of its flight. True: the caller decides about the flight. False: somebody else did."""
        with self.lock:
            attempt.member.outstanding.pop(attempt, None)
            mine = attempt.flight.attempt is attempt
            if mine:
                attempt.flight.attempt = None
            return mine

    # Completing

    def _completed(self, attempt: Attempt) -> int | None:
        """A member has completed an attempt: in its thread, or in the one that polls."""
        member, flight, error = attempt.member, attempt.flight, attempt.error
        member.moved_ns = self.clock.now_ns()
        if not self._take_back(attempt):
            return ORPHANED
        blame = blame_for(error)
        if blame is Blame.REQUEST or self.closed:
            with self.lock:
                sick = _sick(flight.doubts) if error is None else []
                member.note(failed=False)
            for one in sick:
                self.give_up(one, "half of its latest completions failed")
            return self.finish(flight, attempt)
        flight.error = error
        flight.tried.append(member)
        if blame is Blame.UNCLEAR:
            flight.doubts.append(member)
        elif blame is Blame.GONE:
            self.give_up(member, str(error), gone=True)
        else:
            with self.lock:
                too_many = member.note(failed=True)
            if too_many:
                self.give_up(member, f"half of its latest completions failed, the last by: {error}")
        self.go_elsewhere(flight, member)
        return None

    def go_elsewhere(self, flight: Flight, member: Member) -> None:
        """This member did not do the flight. Another one gets it, or it waits for one, or its owner gets the error."""
        with self.lock:
            member.failovers += 1
        try:
            if self.place(flight):
                return
        except Exception as error:
            flight.error = flight.error or error
            self.finish(flight, None)
            return
        with self.lock:
            self.limbo.append(flight)

    def finish(self, flight: Flight, attempt: Attempt | None) -> int | None:
        """Tell the owner. The caller has taken the attempt out of the flight, so nobody else does."""
        request = flight.request
        if attempt is not None:
            request.result, request.error = attempt.result, attempt.error
            request.started_ns = max(attempt.started_ns, request.submitted_ns)
            request.finished_ns = max(attempt.finished_ns, request.started_ns)
        else:
            request.result, request.error = None, flight.error
            request.started_ns = request.finished_ns = self.clock.now_ns()
        with self.lock:
            self.counters.end(request)
            self._freed += 1
            if not self.counters.in_flight:
                self.on_rest()
                self.idle.notify_all()
        local = self.local
        local.done = getattr(local, "done", 0) + 1
        local.inside = getattr(local, "inside", 0) + 1
        try:
            delivery: int | None = request.complete()
        finally:
            local.inside -= 1
        if delivery:
            with self.lock:
                self.counters.answer(request, delivery)
        return delivery

    def on_space(self, count: int) -> None:
        """A member has free slots. Flights in limbo get them first, and engines are told about the rest."""
        self.serve_limbo()
        with self.lock:
            freed, self._freed = self._freed, 0
            if self._refused and not freed and not self.limbo:
                freed = count  # the slot of a probe or of an abandoned attempt: a refused submit may use it too
            if freed:
                self._refused = False
            engines = tuple(self.engines) if freed else ()
        for tell in engines:
            tell(freed)

    def serve_limbo(self) -> None:
        """Give the flights that wait for a member to members that have room, oldest first."""
        while True:
            with self.lock:
                if not self.limbo:
                    return
                flight = self.limbo.popleft()
            try:
                if not self.place(flight):
                    with self.lock:
                        self.limbo.appendleft(flight)
                    return
            except Exception as error:
                flight.error = flight.error or error
                self.finish(flight, None)

    # Members that come and go: the watch calls these

    def give_up(self, member: Member, why: str, *, gone: bool = False) -> None:
        """Nothing goes to this member any more until it answers a probe. What it has goes to others."""
        if self.closed and not gone:
            return
        with self.lock:
            member.gone = member.gone or gone
            if not member.up or member.is_software:
                return
            member.went_down(why, self.clock.now_ns() + self._retry_ns)
            attempts = list(member.outstanding)
        for attempt in attempts:
            self.abandon(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """The member does not complete the attempt, so another gets the flight. A later completion is orphaned."""
        if self._take_back(attempt):
            attempt.flight.tried.append(attempt.member)
            self.go_elsewhere(attempt.flight, attempt.member)

    def replace(self, member: Member, accel: Any) -> None:
        """The member has a new accelerator in place of the one that is gone. Loads all sessions into it. May block."""
        accel.attach(self.on_space, polled=self.polled)
        with self.lock:
            sessions = list(self.sessions)
        for session in sessions:
            session.by_member[member] = accel.session(session.op, session.key, **session.params)
        old, member.accel = member.accel, accel
        if old is not None and (close := getattr(old, "close", None)) is not None:
            close()  # it is gone, so nothing is in flight there

    def welcome(self, member: Member) -> None:
        """The member has answered: requests go there again."""
        for session in list(self.sessions):
            if member not in session.by_member:  # opened while it was down
                session.by_member[member] = member.accel.session(session.op, session.key, **session.params)
        with self.lock:
            member.came_up(self.clock.now_ns())
        self.on_space(member.free_slots)


def _sick(doubts: Iterable[Member]) -> list[Member]:
    return [member for member in doubts if member.note(failed=True)]
