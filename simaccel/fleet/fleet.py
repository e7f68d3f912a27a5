"""`Fleet`: several accelerators as one. A device that resets, stalls or is gone costs its requests time, no more.

Theory of operation. A request of an owner is a flight. The policy chooses a member, which gets an attempt: a request
of ours with the flight's data. When the attempt completes, its result goes to the owner. If it failed by the device's
fault, or if the member was given up with the attempt in it, the flight goes to a member that has not had it. One that
finds no free slot there waits in `_limbo`, before all new requests. So an operation may run twice, which does no harm
because all of them are pure functions; but its owner is told once (see `flight`).

A member goes down if it says that it is gone, if it completes nothing for `patience_ns` while it has something to do,
or if half of its latest completions failed. The watch (see `watch`) then asks it every `retry_ns` with a probe, and one
that answers is up again. Software is the last member: it works while no other is up, and for what all others failed.

The lock guards our own books only. No member is called and no owner is told while it is held.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self
from weakref import WeakSet

from sim import Accelerator, VirtualClock
from sim.errors import ClosedError, SimError, UsageError
from sim.timing.quantities import check_count
from simaccel.bridge.client.accelerator import RemoteAccelerator
from simaccel.fleet.failures import Blame, blame_for
from simaccel.fleet.flight import ORPHANED, Attempt, FleetSession, Flight
from simaccel.fleet.member import Make, Member
from simaccel.fleet.policies import FULL, make_policy
from simaccel.fleet.statistics import FleetCounters, FleetStatistics, fleet_statistics
from simaccel.fleet.watch import LOST, Watch

ROUNDS = 8
"""How often all members are tried with one request, while they say that they are at fault and not the request."""
POLL_S = 0.001
"""How often a fleet that is closed polls for what is in flight."""

Given = Any
"""An accelerator, the address of a device process, or a function that makes an accelerator."""


class FleetDownError(SimError):
    """No member of the fleet is up, and it has no software."""


class Fleet:
    """Several devices as one accelerator. A context manager. It owns its members: closing it closes them.

    - `members`: accelerators, addresses of device processes as `simaccel.connect` takes them, or functions that make an
      accelerator. What comes back must come back by itself (a device that is plugged in again), or be made anew: by the
      function, or by connecting to the address. All members have one kind of clock, and virtual ones the same clock.
    - `policy`: "least-in-flight", "round-robin", "by-key" (all requests of a session to one member) or "by-op".
    - `software`: whether there is a last member that does in software what no device can.
    - `patience_ns`: a member that has something to do and completes nothing for so long is given up. A single request
      that takes four times as long is given to another.
    - `retry_ns`: how often a member that is down is asked whether it is back.
    - `probe`: an operation without a key that every member has.

    Any thread may call all of it. Raises UsageError for bad parameters, and FleetDownError if no member is up at the
    start and there is no software.
    """

    def __init__(
        self,
        members: Iterable[Given],
        policy: str = "least-in-flight",
        *,
        software: bool = False,
        patience_ns: int = 1_000_000_000,
        retry_ns: int = 1_000_000_000,
        probe: str = "null",
        depth: int = 256,
    ) -> None:
        check_count("patience", patience_ns)
        check_count("retry", retry_ns)
        self._policy = make_policy(policy)
        self._closed = True  # until all is made
        self._lock = threading.RLock()
        self._local = threading.local()
        self._members = [_member(number, given, depth) for number, given in enumerate(members)]
        try:
            self.clock = _common_clock(self._members)
        except BaseException:
            for member in self._members:
                if member.make is not None and member.accel is not None:  # nobody else knows of it
                    member.accel.close()
            raise
        self._keeper = Accelerator(depth, clock=self.clock if isinstance(self.clock, VirtualClock) else None)
        """The timers of the fleet are its own: those of a member stop when that is gone. It is the software too."""
        if software:
            self._members.append(Member("software", self._keeper, None, is_software=True))
        self._polled = False
        self._engines: list[Callable[[int], None]] = []
        self._asked: dict[Callable[[], object], None] = {}
        self._sessions: WeakSet[FleetSession] = WeakSet()
        self._limbo: deque[Flight] = deque()
        self._freed = 0
        self._refused = False
        """Whether a submit found no slot since engines were last told of free ones."""
        self._counters = FleetCounters()
        self._idle = threading.Condition(self._lock)
        for member in self._members:
            if member.accel is not None:
                member.accel.attach(self._on_space, polled=False)
        self._watch = Watch(self, self._keeper, patience_ns, retry_ns, probe)
        try:
            if not any(member.up for member in self._members):
                raise FleetDownError("no member of the fleet answers: start a device, or give software=True")
            self._watch.start()
        except BaseException:
            self._close_members(drain=False)
            raise
        self._closed = False

    # Submitting

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in the order in which they were given; software last."""
        return tuple(self._members)

    @property
    def free_slots(self) -> int:
        """How many requests would be taken now, by all members that are up."""
        with self._lock:
            free = sum(member.free_slots for member in self._candidates())
            return max(0, free - len(self._limbo))

    @property
    def in_flight(self) -> int:
        """Requests that were submitted and whose owners were not told yet."""
        return self._counters.in_flight

    def session(self, op: str, key: object, **params: Any) -> FleetSession:
        """Load a key into every member, for any number of requests. Blocks until all that are up have it.

        A member that is down gets it before it is up again. Raises UsageError if the key does not fit.
        """
        session = FleetSession(op, key, params)
        for member in self._members:
            if member.accel is None:
                continue
            try:
                session.by_member[member] = member.accel.session(op, key, **params)
            except Exception as error:
                if blame_for(error) is not Blame.GONE:
                    raise
                self.give_up(member, str(error), gone=True)
        if not session.by_member:
            raise FleetDownError(f"no member of the fleet can load a key for {op!r}: none is up")
        with self._lock:
            self._sessions.add(session)
        return session

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Add a kernel of your own to every member. Raises UsageError, as for members in other processes."""
        for accel in {id(one): one for one in (*(m.accel for m in self._members), self._keeper) if one}.values():
            accel.register(name, function, replace=replace)

    def prepare(self, request: Any) -> None:
        """Check a request, and copy what its caller may change. If it raises, nothing has happened."""
        session = request.session
        if session is not None and not (isinstance(session, FleetSession) and session in self._sessions):
            raise UsageError(f"{session!r} is no session of this fleet: give one that its `session` returned, or None")
        with self._lock:
            able = [m for m in self._members if m.accel is not None and (session is None or m in session.by_member)]
        if not able:
            raise FleetDownError("no member of the fleet can check a request: none is up")
        member = next((one for one in able if one.up), able[0])
        attempt = self._attempt(Flight(request), member)
        member.accel.prepare(attempt)
        request.payload, request.aux, request.kernel = attempt.payload, attempt.aux, attempt.kernel
        request.key = 0 if session is None else session.number

    def submit(self, request: Any) -> bool:
        """Take a prepared request, or return False if no member has a free slot. Never blocks.

        Raises ClosedError after `close`, FleetDownError if no member is up, and what all of them refuse it with.
        """
        request.submitted_ns = self.clock.now_ns()
        self._watch.look_if_due()
        with self._lock:
            if self._closed:
                raise ClosedError("the fleet was closed")
            if self._limbo:
                self._refuse()
                return False
            self._counters.begin()
        flight = Flight(request)
        try:
            if self._place(flight):
                self._watch.arm()
                return True
        except BaseException:
            with self._lock:
                self._counters.submitted -= 1
                self._counters.in_flight -= 1
            raise
        with self._lock:
            self._counters.submitted -= 1
            self._counters.in_flight -= 1
            self._refuse()
        return False

    def _refuse(self) -> None:
        self._refused = True
        self._counters.ring_full += 1

    def _candidates(self, tried: Iterable[Member] = ()) -> list[Member]:
        """The members that may have a request; software only if no other may. Under the lock."""
        devices = [member for member in self._members if member.up and not member.is_software and member not in tried]
        return devices or [member for member in self._members if member.is_software and member not in tried]

    def _attempt(self, flight: Flight, member: Member) -> Attempt:
        session = flight.request.session
        return Attempt(flight, member, None if session is None else session.by_member[member], self._completed)

    def _place(self, flight: Flight) -> bool:
        """Give the flight to a member. False if all that may have it are full. Raises if none may, or all refuse it."""
        request = flight.request
        full: set[Member] = set()
        refusal: BaseException | None = flight.error
        while True:
            with self._lock:
                able = self._candidates(flight.tried)
                if request.session is not None:
                    able = [member for member in able if member in request.session.by_member]
                if not able and flight.tried and not flight.doubts and flight.rounds < ROUNDS:
                    flight.rounds += 1
                    flight.tried.clear()
                    continue
                if not able:
                    raise refusal or FleetDownError(
                        "no member of the fleet is up: "
                        + "; ".join(f"{member.name}: {member.why_down}" for member in self._members)
                    )
                loads = [
                    len(member.outstanding) if member in able and member not in full and member.free_slots else FULL
                    for member in self._members
                ]
                chosen = self._policy.choose(loads, request.op, request.key)
                if chosen < 0:
                    return False
                member = self._members[chosen]
                attempt = flight.attempt = self._attempt(flight, member)
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
        """Take the attempt out of its flight. Whoever gets True decides about the flight; False: somebody else has."""
        with self._lock:
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
        if blame is Blame.REQUEST or self._closed:
            with self._lock:
                sick = [one for one in flight.doubts if error is None and one.note(failed=True)]
                member.note(failed=False)
            for one in sick:
                self.give_up(one, "half of its latest completions failed")
            return self._finish(flight, attempt)
        flight.error = error
        flight.tried.append(member)
        if blame is Blame.UNCLEAR:
            flight.doubts.append(member)
        elif blame is Blame.GONE:
            self.give_up(member, str(error), gone=True)
        else:
            with self._lock:
                too_many = member.note(failed=True)
            if too_many:
                self.give_up(member, f"half of its latest completions failed, the last by: {error}")
        self.go_elsewhere(flight, member)
        return None

    def go_elsewhere(self, flight: Flight, member: Member) -> None:
        """The flight was at this member in vain: another gets it, or it waits for one, or its owner is told."""
        with self._lock:
            member.failovers += 1
        try:
            if self._place(flight):
                return
        except Exception as error:
            flight.error = flight.error or error
            self._finish(flight, None)
            return
        with self._lock:
            self._limbo.append(flight)

    def _finish(self, flight: Flight, attempt: Attempt | None) -> int | None:
        """Tell the owner. The caller has taken the attempt out of the flight, so nobody else does."""
        request = flight.request
        if attempt is not None:
            request.result, request.error = attempt.result, attempt.error
            request.started_ns = max(attempt.started_ns, request.submitted_ns)
            request.finished_ns = max(attempt.finished_ns, request.started_ns)
        else:
            request.result, request.error = None, flight.error
            request.started_ns = request.finished_ns = self.clock.now_ns()
        with self._lock:
            self._counters.end(request)
            self._freed += 1
            if not self._counters.in_flight:
                self._watch.rest()
                self._idle.notify_all()
        local = self._local
        local.done = getattr(local, "done", 0) + 1
        local.inside = getattr(local, "inside", 0) + 1
        try:
            delivery: int | None = request.complete()
        finally:
            local.inside -= 1
        if delivery:
            with self._lock:
                self._counters.answer(request, delivery)
        return delivery

    def _on_space(self, count: int) -> None:
        """A member has free slots: flights in limbo get them, and then engines are told."""
        self.serve_limbo()
        with self._lock:
            freed, self._freed = self._freed, 0
            if self._refused and not freed and not self._limbo:
                freed = count  # of a probe, or of an attempt that was given up: also a slot for who waits
            if freed:
                self._refused = False
            engines = tuple(self._engines) if freed else ()
        for tell in engines:
            tell(freed)

    def serve_limbo(self) -> None:
        """Give flights that wait for a member to one, oldest first."""
        while True:
            with self._lock:
                if not self._limbo:
                    return
                flight = self._limbo.popleft()
            try:
                if not self._place(flight):
                    with self._lock:
                        self._limbo.appendleft(flight)
                    return
            except Exception as error:
                flight.error = flight.error or error
                self._finish(flight, None)

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions in this thread, 0 for all that are there. Returns how many."""
        if not self._polled:
            return 0
        self._watch.polled_ns = self.clock.now_ns()
        local = self._local
        before = local.done = getattr(local, "done", 0)
        moved = True
        while moved and (not quota or local.done - before < quota):
            moved = False
            for member in self._members:
                left = quota - (local.done - before) if quota else 0
                if member.accel is not None and (not quota or left > 0):
                    moved = bool(member.accel.poll(left)) or moved
        return int(local.done - before)

    def attach(self, on_space: Callable[[int], None], *, polled: bool) -> None:
        """For an engine: on_space(n) is called when n slots become free. `polled`: completions come only by `poll`.

        Raises UsageError if another engine is attached that takes them the other way.
        """
        with self._lock:
            if self._engines and self._polled is not polled:
                raise UsageError("another engine takes this fleet's completions the other way: make a fleet of its own")
            first = not self._engines
            self._engines.append(on_space)
        if first:
            self._switch(polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Undo `attach`. Does nothing for one that is not attached."""
        with self._lock:
            if on_space in self._engines:
                self._engines.remove(on_space)
            last = not self._engines
        if last:
            self._switch(polled=False)

    def _switch(self, polled: bool) -> None:
        if self._polled is polled:
            return
        self._polled = polled
        self._watch.polled_ns = self.clock.now_ns()
        for member in self._members:
            if member.accel is not None:
                member.accel.detach(self._on_space)
                member.accel.attach(self._on_space, polled=polled)

    @property
    def polled(self) -> bool:
        """Whether completions come only by `poll`."""
        return self._polled

    def notify_once(self, fn: Callable[[], object]) -> None:
        """While polled: call fn once, when there is something to poll for, or now if there is."""
        self._asked[fn] = None
        for member in self._members:
            if member.accel is not None:
                member.accel.notify_once(self._notify)

    def _notify(self) -> None:
        for fn in list(self._asked):
            if self._asked.pop(fn, fn) is None:
                fn()

    def call_at(self, due_ns: int, fn: Callable[[], object]) -> Any:
        """Call fn at that time of the clock, in a thread of the fleet's or in the one that moves the virtual clock."""
        return self._keeper.call_at(due_ns, fn)

    # Members that come and go: the watch calls these

    def give_up(self, member: Member, why: str, *, gone: bool = False) -> None:
        """Nothing goes to this member any more until it answers a probe. What it has goes to others."""
        if self._closed and not gone:
            return
        with self._lock:
            member.gone = member.gone or gone
            if not member.up or member.is_software:
                return
            member.went_down(why, self.clock.now_ns() + self._watch.retry_ns)
            attempts = list(member.outstanding)
        for attempt in attempts:
            self.abandon(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """The member does not complete it: another gets the flight. A completion that comes later is orphaned."""
        if self._take_back(attempt):
            attempt.flight.tried.append(attempt.member)
            self.go_elsewhere(attempt.flight, attempt.member)

    def replace(self, member: Member, accel: Any) -> None:
        """The member has a new accelerator in place of the one that is gone. Loads all sessions into it. May block."""
        accel.attach(self._on_space, polled=self._polled)
        with self._lock:
            sessions = list(self._sessions)
        for session in sessions:
            session.by_member[member] = accel.session(session.op, session.key, **session.params)
        old, member.accel = member.accel, accel
        if old is not None and (close := getattr(old, "close", None)) is not None:
            close()  # it is gone, so nothing is in flight there

    def welcome(self, member: Member) -> None:
        """The member has answered: requests go there again."""
        for session in list(self._sessions):
            if member not in session.by_member:  # opened while it was down
                session.by_member[member] = member.accel.session(session.op, session.key, **session.params)
        with self._lock:
            member.came_up(self.clock.now_ns())
        self._on_space(member.free_slots)

    # Looking, and the end

    def statistics(self) -> FleetStatistics:
        """A snapshot: in sum as owners saw it, and of each member as it counts itself."""
        with self._lock:
            return fleet_statistics(self._counters, self._members)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self, *, drain: bool = True) -> None:
        """Close the fleet and its members. With `drain` all that is in flight completes first, which blocks.

        What is left then fails with ClosedError. Calling it again does nothing. Raises UsageError in the handler of a
        completion, for which it would wait.
        """
        if self._closed:
            return
        if getattr(self._local, "inside", 0):
            raise UsageError("a fleet can't be closed by the handler of a completion: it would wait for itself")
        if drain:
            self._drain()
        self._closed = True
        self._watch.stop()
        self._close_members(drain=drain)
        while self._limbo:
            flight = self._limbo.popleft()
            flight.error = ClosedError("the fleet was closed while this was in flight")
            self._finish(flight, None)

    def _drain(self) -> None:
        clock = self.clock
        if isinstance(clock, VirtualClock):
            while self._counters.in_flight and (self.poll() or clock.jump()):
                pass
            return
        while self._counters.in_flight:
            if self._polled:
                self.poll()
            patience_s = POLL_S if self._polled else LOST * self._watch.patience_ns / 1e9
            with self._lock:
                if self._counters.in_flight and not self._idle.wait(patience_s) and not self._polled:
                    break  # nothing ends any more

    def _close_members(self, *, drain: bool) -> None:
        for accel in {id(one): one for one in (*(m.accel for m in self._members), self._keeper) if one}.values():
            close = getattr(accel, "close", None)
            if close is not None:
                accel.detach(self._on_space)
                if isinstance(accel, Accelerator | RemoteAccelerator):
                    close(drain=drain)
                else:
                    close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def __repr__(self) -> str:
        up = sum(member.up for member in self._members)
        return f"<Fleet of {len(self._members)}, {up} up, {self.in_flight} in flight>"


def _member(number: int, given: Given, depth: int) -> Member:
    if isinstance(given, str):
        return _made(given, _connector(given, depth))
    if isinstance(given, Accelerator) or hasattr(given, "submit"):
        return Member(f"device {number}", given, None)
    if callable(given):
        return _made(f"device {number}", given)
    raise UsageError(f"member {given!r}: give an accelerator, an address, or a function that makes an accelerator")


def _connector(address: str, depth: int) -> Make:
    from simaccel.bridge import connect

    return lambda: connect(address, depth=depth)


def _made(name: str, make: Make) -> Member:
    try:
        return Member(name, make(), make)
    except UsageError:
        raise
    except SimError as error:
        member = Member(name, None, make)
        member.why_down = str(error)
        return member


def _common_clock(members: list[Member]) -> Any:
    if not members:
        raise UsageError("a fleet without members: give at least one accelerator or address")
    clocks = [member.accel.clock for member in members if member.accel is not None]
    if not clocks:
        from sim.clock import RealClock

        return RealClock()
    if any(clock is not clocks[0] for clock in clocks if clock.virtual or clocks[0].virtual):
        raise UsageError("members with different clocks: give all of them one VirtualClock, or leave all in real time")
    return clocks[0]
