"""What a scenario acts on: the device, the server, the clients, and ways to wait and to look.

Nothing is judged by how long it takes. A scenario waits for what must happen, with a limit far above what a busy
machine takes, and then looks at counts and states.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simaccel.certify.clients import Client, Clients, State
from simaccel.certify.device.handle import ScriptedDevice
from simaccel.certify.manner import FEW, SLACK_FDS, Failed, Manner
from simaccel.certify.patience import Patience
from simaccel.certify.server_process.resources import Seen
from simaccel.certify.server_process.rival import Rival
from simaccel.certify.server_process.server import ServerProcess
from simaccel.certify.target import Target

POLL_S = 0.005
SLACK_THREADS = 4


@dataclass
class Stage:
    """One server and one device for one scenario."""

    target: Target
    device: ScriptedDevice
    server: ServerProcess
    clients: Clients
    seed: int
    manner: Manner
    random: random.Random
    certificate: str
    """The PEM file that a client shows if it is asked for a certificate."""
    notes: list[str] = field(default_factory=list)
    """What was seen, but is not a failure."""
    before: Seen | None = None
    """The server as it was before the scenario, warm and idle."""
    may_change: bool = False
    """Whether processes may come and go: after a reload."""
    over: bool = False
    """Whether the server has been ended on purpose."""
    since_s: float = field(default_factory=time.monotonic)
    """When the present wait began."""

    # Waiting

    def until(
        self,
        reached: Callable[[], bool],
        what: str | Callable[[], str],
        progress: Callable[[], int] | None = None,
    ) -> None:
        """Let clients and server go on until `reached`. After the limit, raises Failed with `what`, or what it returns.

        The limit begins anew whenever `progress` changes.
        """
        patience = Patience(self.target.limit_s, lambda: [*self.server.pids(), *self.device.pids()])
        self.since_s = patience.since_s
        last = None
        while not reached():
            if progress is not None and last != (now := progress()):
                last = now
                patience.begin()
            self.clients.step(POLL_S)
            self.check_alive()
            if patience.is_over():
                self.since_s = patience.since_s
                seen = what if isinstance(what, str) else what()
                raise Failed(f"{seen}, for {self.target.limit_s:,.0f} s")

    def check_alive(self) -> None:
        """Raises Failed if a process of the server has ended that should be running."""
        if self.over:
            return
        pids = self.server.pids()
        if not pids:
            raise Failed(f"the server ended{self.server.how_it_ended()}{self.server.tail()}")
        if self.before is not None and not self.may_change:
            lost = self.before.pids - set(pids)
            if lost:
                raise Failed(f"process {min(lost)} of the server ended{self.server.tail()}")

    # Clients

    def all_ended(self, clients: list[Client]) -> None:
        """Wait until nothing more happens to any of them."""
        self.until(
            lambda: all(client.ended for client in clients),
            "the server neither completes the handshakes nor closes the connections of some clients",
            lambda: sum(client.ended for client in clients),
        )

    def all_done(self, clients: list[Client]) -> None:
        """Wait until all handshakes are completed and the server has closed. Raises Failed otherwise."""
        self.until(
            lambda: any(client.state is State.FAILED for client in clients) or all(client.ended for client in clients),
            "there are clients whose handshake the server does not complete, or after whose good-bye it does not close",
            lambda: sum(client.ended for client in clients),
        )
        failed = [client.why for client in clients if client.state is State.FAILED]
        if failed:
            raise Failed(f"a handshake failed: {failed[0]}")

    def handshakes(self, count: int = FEW) -> None:
        """Make `count` handshakes at a time. Raises Failed unless all succeed."""
        self.all_done(self.clients.open(count))

    def paused(self, count: int = FEW) -> list[Client]:
        """Open `count` clients, and wait until the device holds an operation of each. If the server is not parallel,
        this opens only one."""
        self.device.hold()
        held = self.device.state().held
        clients = self.clients.open(count)
        wanted = held + (count if self.manner.parallel else 1)
        self.until(
            lambda: self.device.state().held >= wanted, f"fewer than {wanted} handshakes at a time reach the device"
        )
        return clients

    def told(self, name: str) -> int:
        """A count of the provider in the server."""
        return self.device.told(name)

    def await_told(self, name: str, at_least: int, what: str) -> None:
        """Wait until this count of the provider is at least that high."""
        self.until(lambda: self.told(name) >= at_least, what)

    # Looking

    def warm_up(self) -> None:
        """Let the server connect to the device, load its keys and fill its pools. Then look at what it holds."""
        self.device.pass_on()
        for _ in range(2):
            self.handshakes()
        self.before = self.server.look()

    def calm(self) -> None:
        """Check that after the scenario the server serves, and holds no more than before. Raises Failed if not."""
        if self.over:
            return
        if self.device.runs:
            self.device.go()
        self.handshakes()
        if self.device.runs:
            self.until(lambda: not self.device.state().in_flight, "operations are in flight for nobody")
        before = self.before
        if before is None or self.may_change:
            return
        self.until(
            lambda: self.server.look().fds <= before.fds + SLACK_FDS,
            lambda: f"it had {before.fds} fds before the scenario, and has {self.server.look().fds} when all is over",
        )
        self.until(
            lambda: self.server.look().threads <= before.threads + SLACK_THREADS,
            lambda: f"it had {before.threads} threads before, and has {self.server.look().threads} when all is over",
        )
        self.notes.append(f"memory {(self.server.look().rss_bytes - before.rss_bytes) / 1e6:+.1f} MB")

    def cpu_share(self) -> float:
        """How much CPU time the server takes, compared with a process that wants all it can get."""
        with Rival() as rival:
            before_ns = self.server.look().cpu_ns
            self.until(rival.is_done, "a process that only counts did not end")
            return (self.server.look().cpu_ns - before_ns) / rival.cpu_ns
