"""What a scenario acts on: a fresh device, engine and server, the clients, and ways to wait and to look.

Nothing depends on real time. The server takes turns. When a turn has moved nothing, the clock jumps to what is due
next. When nothing is due either, and many turns in a row move nothing, what the scenario waits for never comes.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from engine.engine import Engine
from engine.errors import JobCancelled
from sim import Accelerator, VirtualClock
from simaccel.certify.manner import FEW, SLACK_FDS, Failed, Manner
from simaccel.testing.misuse import MisuseError
from simaccel.testing.python_servers.client import CertifyClient, ClientProgress
from simaccel.testing.python_servers.real_time import OutOfTime, RealTime
from simaccel.testing.python_servers.script import VirtualScript
from simaccel.testing.python_servers.server import CertifiedServer

IDLE_TURNS = 30
"""A hang: this many turns in which nothing moves, while nothing is due. An asyncio loop needs a few for a wake-up."""
MOST_TURNS = 20_000
"""A hang too: this many turns in which no operation and no client ends, whatever else moves, such as timers."""
LOOKED_AT_TURNS = 20
"""How many turns a server is given in which it should do nothing."""
OF_A_SERVER = (Exception, JobCancelled, OutOfTime, SystemExit, GeneratorExit, asyncio.CancelledError)
"""What a call of a server raises through its own fault. KeyboardInterrupt is the user's, and pytest has more."""


@dataclass
class VirtualStage:
    """One server, its engine and its device, for one scenario."""

    device: Accelerator
    engine: Engine
    server: CertifiedServer
    real_time: RealTime
    manner: Manner
    random: random.Random
    connects: int
    """How many clients come at once in the scenario `many-connects`."""
    kinds: Sequence[str]
    """The kinds of handshakes. The clients get them in turn."""
    software: bool
    """Whether a handshake does by itself what the device does not do."""
    notes: list[str] = field(default_factory=list)
    """What was seen, but is not a failure."""
    clients: list[CertifyClient] = field(default_factory=list)
    """All that have come."""
    over: bool = False
    """Whether the server was told to stop."""
    closed: bool = False
    """Whether the server was closed."""
    since_ns: int = 0
    """The virtual time at which the present wait began."""
    fds_before: int = 0

    def __post_init__(self) -> None:
        self.script = VirtualScript(self.device)
        self.progress = ClientProgress()
        self._nothing_due = False
        """Whether the last jump of the clock found nothing to do, and no turn has moved anything since."""

    @property
    def clock(self) -> VirtualClock:
        """The clock of the device."""
        assert isinstance(self.device.clock, VirtualClock)
        return self.device.clock

    # Calling the server

    def call(self, what: str, fn: Callable[..., object], *args: object) -> None:
        """Call a method of the server. Raises Failed if that raises, or if a client finds that something is wrong."""
        try:
            self.real_time.call(fn, *args)
        except OF_A_SERVER as error:
            raise Failed(f"{what} {_raised(error)}") from error
        if self.progress.wrong:
            raise Failed(self.progress.wrong[0])

    def turn(self) -> bool:
        """Let the server take a turn. Returns whether that moved anything."""
        before = self._moved()
        self.call("turn()", self.server.turn)
        return self._moved() != before

    def _moved(self) -> tuple[object, ...]:
        # Not the resumes for nothing: while a job waits for a slot, a server may try it in each turn.
        counted = self.engine.statistics
        return counted.operations, counted.wakes, self.device.in_flight, self.clock.now_ns(), self.progress.count

    # Waiting

    def _step(self) -> bool:
        """Let the server take a turn. If that moves nothing, let the device take a step. Returns whether anything has
        moved."""
        if self.turn():
            self._nothing_due = False
        elif not self._nothing_due:
            self._nothing_due = not self.clock.jump()
        return not self._nothing_due

    def until(self, reached: Callable[[], bool], what: str | Callable[[], str]) -> None:
        """Let the server and the device go on until `reached`. If that never comes, raises Failed with `what`, or what
        it returns."""
        self.since_ns, self._nothing_due = self.clock.now_ns(), False
        idle = turns = 0
        progress = self.progress.count
        while not reached():
            idle = 0 if self._step() else idle + 1
            turns += 1
            if progress != (now := self.progress.count):
                progress, turns, self.since_ns = now, 0, self.clock.now_ns()
            if idle > IDLE_TURNS or turns > MOST_TURNS:
                seen = what if isinstance(what, str) else what()
                how = "nothing is due any more, and its turns move nothing" if idle > IDLE_TURNS else "in many turns"
                raise Failed(f"{seen}: {how}")

    def settle(self) -> None:
        """Let the server and the device go on until nothing moves any more."""
        idle, self._nothing_due = 0, False
        for _ in range(MOST_TURNS):
            idle = 0 if self._step() else idle + 1
            if idle > IDLE_TURNS:
                return

    def look_at_idle_turns(self) -> int:
        """Give the server turns in which time stands still. Returns how often it has resumed jobs meanwhile."""
        before = self.engine.statistics
        for _ in range(LOOKED_AT_TURNS):
            self.call("turn()", self.server.turn)
        after = self.engine.statistics
        return after.spurious_wakes - before.spurious_wakes + after.eagains - before.eagains

    # Clients

    def open(self, count: int) -> list[CertifyClient]:
        """Let `count` new clients connect. The server accepts them one after another."""
        clients = []
        for _ in range(count):
            number = len(self.clients) + 1
            kind = self.kinds[number % len(self.kinds)]
            client = CertifyClient(number, kind, self.engine, self.software, self.progress)
            self.clients.append(client)
            clients.append(client)
            self.call("accept(client)", self.server.accept, client)
        return clients

    def hang_up(self, clients: Iterable[CertifyClient]) -> None:
        """Let these clients go away."""
        for client in clients:
            if not client.closed:
                client.vanished = True
                self.call("hang_up(client)", self.server.hang_up, client)

    def all_closed(self, clients: Sequence[CertifyClient]) -> None:
        """Wait until the server has closed all of them."""

        waiting = list(clients)

        def reached() -> bool:
            while waiting and waiting[-1].closed:
                waiting.pop()
            return not waiting

        def left() -> str:
            unended = [client for client in clients if not client.closed]
            paused = sum(client.begun and not client.ended for client in unended)
            how = f", and the operations of {paused} are not done" if paused else ""
            return f"the server has not closed {len(unended)} of {len(clients)} clients{how}"

        self.until(reached, left)

    def all_done(self, clients: Sequence[CertifyClient]) -> None:
        """Wait until the server has closed all of them. Raises Failed unless all handshakes have succeeded."""
        self.all_closed(clients)
        failed = [client for client in clients if client.result is None]
        if failed:
            raise Failed(f"{len(failed)} of {len(clients)} handshakes failed, the first one that of {failed[0]}")

    def handshakes(self, count: int = FEW) -> list[CertifyClient]:
        """Open `count` clients at a time, and wait until all have their handshakes. Raises Failed if one has not."""
        clients = self.open(count)
        self.all_done(clients)
        return clients

    def paused(self, count: int = FEW) -> list[CertifyClient]:
        """Open `count` clients, and wait until the device holds the first operation of each. If the server is not
        parallel, it holds only one."""
        self.script.hold()
        wanted = self.script.held + (count if self.manner.parallel else 1)
        clients = self.open(count)
        self.until(lambda: self.script.held >= wanted, f"fewer than {wanted} handshakes at a time reach the device")
        return clients

    def wake(self) -> None:
        """Wake the jobs whose operations are held, although nothing has completed. Wait until they are resumed."""
        wanted = self.engine.statistics.spurious_wakes + self.script.wake()
        self.until(lambda: self.engine.statistics.spurious_wakes >= wanted, "jobs that were woken are not resumed")

    # Before and after

    def warm_up(self) -> None:
        """Let the server fill its pools. Then look at what it holds."""
        self.handshakes()
        self.fds_before = _open_fds()

    def calm(self) -> None:
        """Check that after the scenario the server serves, ends well, and holds no more than before. Raises Failed if
        not."""
        self.script.go()
        if not self.over:
            self.handshakes()
        self.all_closed(self.clients)
        self.until(lambda: not self.device.in_flight, "operations are in flight for nobody")
        if not self.over:
            more = _open_fds() - self.fds_before
            if more > SLACK_FDS:
                raise Failed(f"{more} fds more are open than before the scenario")
            self.stop()
        self.closed = True
        self.call("close()", self.server.close)

    def stop(self) -> None:
        """Tell the server to stop, and wait until all its clients are closed."""
        self.over = True
        self.call("stop()", self.server.stop)
        self.script.go()
        self.all_closed(self.clients)


def _open_fds() -> int:
    return len(os.listdir("/proc/self/fd"))


def _raised(error: BaseException) -> str:
    if isinstance(error, MisuseError):
        return f"was ended: {error.reports[-1]}"
    if isinstance(error, OutOfTime):
        return f"does not return, or waits: {error}"
    return f"raised {error!r}"
