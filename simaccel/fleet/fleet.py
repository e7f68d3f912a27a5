"""`Fleet`: several accelerators as one. If a device resets, stalls or is gone, its requests only take longer.

The router gives requests to members, and to other members when one fails. A member goes down if it says that it is
gone, if it completes nothing for `patience_ns` while it has something to do, or if half of its latest completions
failed. The watch sends it a probe every `retry_ns`, and it is up again once it answers. Software is the last member: it
gets requests while no other member is up, and requests that all others have failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from types import TracebackType
from typing import Any, Self

from sim import Accelerator, VirtualClock
from sim.errors import ClosedError, UsageError
from sim.timing.quantities import check_count
from simaccel.fleet.failures import Blame, blame_for
from simaccel.fleet.flight import FleetSession, Flight
from simaccel.fleet.member import Member
from simaccel.fleet.opening import Given, close_accelerators, open_members
from simaccel.fleet.policies import make_policy
from simaccel.fleet.router import FleetDownError, Router
from simaccel.fleet.statistics import FleetStatistics, fleet_statistics
from simaccel.fleet.watch import LOST, FleetWatch

POLL_S = 0.001
"""How often a fleet polls for what is in flight while it closes."""


class Fleet:
    """Several devices as one accelerator. A context manager. It owns its members: closing it closes them.

    - `members`: accelerators, addresses of device processes as `simaccel.connect` takes them, or functions that make an
      accelerator. An accelerator must come back by itself, as a device does that is plugged in again. The other two are
      made anew, by connecting to the address or by calling the function. All members have one kind of clock; if it is
      virtual, they share one.
    - `policy`: "least-in-flight", "round-robin", "by-key" (all requests of a session to one member) or "by-op".
    - `software`: whether a last member does in software what no device can do.
    - `patience_ns`: a member is given up if it has something to do and completes nothing for so long. A single request
      that takes four times as long is given to another member.
    - `retry_ns`: how often a member that is down is asked whether it is back.
    - `probe`: an operation without a key that every member has.
    - `depth`: slots of the software, and of connections to addresses.

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
        chosen = make_policy(policy)
        self._members, self.clock = open_members(members, depth)
        self._keeper = Accelerator(depth, clock=self.clock if isinstance(self.clock, VirtualClock) else None)
        """Has the timers of the fleet, because the timers of a member stop when it is gone. It is also the software."""
        if software:
            self._members.append(Member("software", self._keeper, None, is_software=True))
        self._asked: dict[Callable[[], object], None] = {}
        self._router = router = Router(self._members, chosen, self.clock, retry_ns)
        self._counters = router.counters
        self._lock = router.lock
        for member in self._members:
            if member.accel is not None:
                member.accel.attach(router.on_space, polled=False)
        self._watch = FleetWatch(router, self._keeper, patience_ns, retry_ns, probe)
        router.on_rest = self._watch.rest
        try:
            if not any(map(attrgetter("up"), self._members)):
                raise FleetDownError("no member of the fleet answers: start a device, or give software=True")
            self._watch.start()
        except BaseException:
            self._close_members(drain=False)
            raise

    # Submitting

    @property
    def members(self) -> tuple[Member, ...]:
        """The members, in the order in which they were given; software last."""
        return tuple(self._members)

    @property
    def free_slots(self) -> int:
        """How many requests would be taken now, by all members that are up."""
        with self._lock:
            free = sum(member.free_slots for member in self._router.candidates())
            return max(0, free - len(self._router.limbo))

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
                self._router.give_up(member, str(error), gone=True)
        if not session.by_member:
            raise FleetDownError(f"no member of the fleet can load a key for {op!r}: none is up")
        with self._lock:
            self._router.sessions.add(session)
        return session

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> None:
        """Add a kernel of your own to every member. Raises UsageError if a member is in another process."""
        for accel in {id(one): one for one in (*(m.accel for m in self._members), self._keeper) if one}.values():
            accel.register(name, function, replace=replace)

    def prepare(self, request: Any) -> None:
        """Check a request, and copy what its caller may change. If it raises, nothing has happened."""
        session = request.session
        if session is not None and not (isinstance(session, FleetSession) and session in self._router.sessions):
            raise UsageError(f"{session!r} is no session of this fleet: give one that its `session` returned, or None")
        with self._lock:
            able = self._able_to_check(session)
        if not able:
            raise FleetDownError("no member of the fleet can check a request: none is up")
        member = next((one for one in able if one.up), able[0])
        attempt = self._router.attempt_at(Flight(request), member)
        member.accel.prepare(attempt)
        request.payload, request.aux, request.kernel = attempt.payload, attempt.aux, attempt.kernel
        request.key = 0 if session is None else session.number

    def _able_to_check(self, session: FleetSession | None) -> list[Member]:
        return [m for m in self._members if m.accel is not None and (session is None or m in session.by_member)]

    def submit(self, request: Any) -> bool:
        """Take a prepared request, or return False if no member has a free slot. Never blocks.

        Raises ClosedError after `close`, FleetDownError if no member is up, and a member's own error if all refuse it.
        """
        router = self._router
        request.submitted_ns = self.clock.now_ns()
        self._watch.look_if_due()
        with self._lock:
            if router.closed:
                raise ClosedError("the fleet was closed")
            if router.limbo:
                router.refuse()
                return False
            self._counters.begin()
        try:
            if router.place(Flight(request)):
                self._watch.arm()
                return True
        except BaseException:
            with self._lock:
                self._counters.undo_begin()
            raise
        with self._lock:
            self._counters.undo_begin()
            router.refuse()
        return False

    # Completing

    def poll(self, quota: int = 0) -> int:
        """Hand out at most `quota` completions in this thread, 0 for all that are there. Returns how many."""
        router = self._router
        if not router.polled:
            return 0
        self._watch.polled_ns = self.clock.now_ns()
        local = router.local
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

        Raises UsageError if another engine is attached with the other value of `polled`.
        """
        router = self._router
        with self._lock:
            if router.engines and router.polled is not polled:
                raise UsageError("another engine takes this fleet's completions the other way: make a fleet of its own")
            first = not router.engines
            router.engines.append(on_space)
        if first:
            self._switch(polled)

    def detach(self, on_space: Callable[[int], None]) -> None:
        """Undo `attach`. Does nothing for one that is not attached."""
        router = self._router
        with self._lock:
            if on_space in router.engines:
                router.engines.remove(on_space)
            last = not router.engines
        if last:
            self._switch(polled=False)

    def _switch(self, polled: bool) -> None:
        router = self._router
        if router.polled is polled:
            return
        router.polled = polled
        self._watch.polled_ns = self.clock.now_ns()
        for member in self._members:
            if member.accel is not None:
                member.accel.detach(router.on_space)
                member.accel.attach(router.on_space, polled=polled)

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

    # Looking, and the end

    def statistics(self) -> FleetStatistics:
        """A snapshot: the sums as the owners saw them, and what each member counts itself."""
        with self._lock:
            return fleet_statistics(self._counters, self._members)

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._router.closed

    def close(self, *, drain: bool = True) -> None:
        """Close the fleet and its members. With `drain`, blocks until everything in flight has completed.

        What is still in flight then fails with ClosedError. Calling it again does nothing. Raises UsageError if the
        handler of a completion calls it, because it would wait for that handler.
        """
        router = self._router
        if router.closed:
            return
        if getattr(router.local, "inside", 0):
            raise UsageError("a fleet can't be closed by the handler of a completion: it would wait for itself")
        if drain:
            self._drain()
        router.closed = True
        self._watch.stop()
        self._close_members(drain=drain)
        while router.limbo:
            flight = router.limbo.popleft()
            flight.error = ClosedError("the fleet was closed while this was in flight")
            router.finish(flight, None)

    def _drain(self) -> None:
        clock = self.clock
        if isinstance(clock, VirtualClock):
            while self._counters.in_flight and (self.poll() or clock.jump()):
                pass
            return
        idle, polled = self._router.idle, self._router.polled
        while self._counters.in_flight:
            if polled:
                self.poll()
            patience_s = POLL_S if polled else LOST * self._watch.patience_ns / 1e9
            with self._lock:
                if self._counters.in_flight and not idle.wait(patience_s) and not polled:
                    break  # nothing ends any more

    def _close_members(self, *, drain: bool) -> None:
        for member in self._members:
            if member.accel is not None:
                member.accel.detach(self._router.on_space)
        close_accelerators([*(member.accel for member in self._members), self._keeper], drain=drain)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=kind is None)

    def __repr__(self) -> str:
        up = sum(member.up for member in self._members)
        return f"<Fleet of {len(self._members)}, {up} up, {self.in_flight} in flight>"
