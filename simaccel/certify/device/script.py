"""What a scripted device does with the requests that come to it. Runs in the device process.

Requests come in the server's thread. The script holds them until it is told to release them, or has them done after a
delay. `work` runs in a thread of its own, and does them one at a time in the order in which they are due. So the
server's thread never waits, and requests that are released in another order complete in that order.
"""

from __future__ import annotations

import heapq
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from time import monotonic_ns, sleep
from typing import Any

from simaccel.bridge.device.client_request import ClientRequest
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.decode import decode
from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.executors import Executors
from simaccel.bridge.device.server import Server
from simaccel.bridge.wire import CompletionStatus

RESUME_NS = 2_000_000_000
LOOK_EVERY_S = 0.0005


class Ending(StrEnum):
    """How a request ends."""

    RIGHT = "right"
    FAILED = "failed"
    RESET = "reset"
    CORRUPT = "corrupt"
    """A bit of the result is flipped after the checksum was made."""
    TWICE = "twice"
    """It completes twice. The second completion also wakes whoever waits for another request of that client."""
    WOKEN_FIRST = "woken-first"
    """Its waiter is woken just before it completes, in the same interrupt."""
    RESUMED_FIRST = "resumed-first"
    """Its waiter is woken. It completes only after a job of that client was resumed for nothing."""


@dataclass(frozen=True, slots=True)
class Treatment:
    """What happens to requests that come from now on."""

    holding: bool = False
    delay_ns: int = 0
    ending: Ending = Ending.RIGHT


class Script:
    """The requests of all clients. Any thread may call every method; only `work` blocks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._plan = Treatment()
        self._held: list[ClientRequest] = []
        self._due: list[tuple[int, int, ClientRequest, Ending]] = []
        self._arrived = 0
        self._running = 0
        self._most = 0
        self._done = 0
        self._by_op: Counter[str] = Counter()

    def arrive(self, requests: list[ClientRequest]) -> None:
        """Requests that were submitted."""
        with self._changed:
            for request in requests:
                if self._plan.holding:
                    self._held.append(request)
                else:
                    self._schedule(request, self._plan.delay_ns, self._plan.ending)
            self._most = max(self._most, self._in_flight())
            self._changed.notify()

    def follow(self, plan: Treatment) -> None:
        """Do this with what comes from now on. What is held now stays held."""
        with self._changed:
            self._plan = plan

    def release(self, count: int | None, order: list[int], ending: Ending) -> None:
        """Complete the first `count` of the requests that are held, or all.

        `order`: the places of the requests that complete first, one after another. Places count in the order in which
        the requests came.
        """
        with self._changed:
            first = [self._held[place] for place in order if place < len(self._held)]
            chosen = (first + [request for request in self._held if request not in first])[:count]
            self._held = [request for request in self._held if request not in chosen]
            for request in chosen:
                self._schedule(request, 0, ending)
            self._changed.notify()

    def wake(self) -> int:
        """Wake whoever waits for a held request, although the request goes on. Returns how many were woken."""
        with self._changed:
            woken = [request for request in self._held if _wake(request)]
            for endpoint in {request.endpoint for request in woken}:
                endpoint.fire()
            return len(woken)

    def forget(self, endpoint: Endpoint) -> None:
        """A client is gone, and what it had in flight with it."""
        with self._changed:
            self._held = [request for request in self._held if request.endpoint is not endpoint]
            self._due = [entry for entry in self._due if entry[2].endpoint is not endpoint]
            heapq.heapify(self._due)

    def state(self) -> dict[str, Any]:
        """The counts."""
        with self._changed:
            return {
                "held": len(self._held),
                "in_flight": self._in_flight(),
                "most": self._most,
                "done": self._done,
                "by_op": dict(self._by_op),
            }

    def work(self) -> None:
        """Does each request when it is due. Never returns."""
        while True:
            with self._changed:
                while (wait_ns := self._wait_ns()) is None or wait_ns > 0:
                    self._changed.wait(None if wait_ns is None else wait_ns / 1e9)
                _, _, request, ending = heapq.heappop(self._due)
                self._running += 1
            finish(request, ending, self._others)
            with self._changed:
                self._running -= 1
                self._done += 1
                self._by_op[request.kernel.name] += 1

    def _wait_ns(self) -> int | None:
        """How long until the first request is due. None if there is none."""
        return self._due[0][0] - monotonic_ns() if self._due else None

    def _schedule(self, request: ClientRequest, delay_ns: int, ending: Ending) -> None:
        self._arrived += 1
        heapq.heappush(self._due, (monotonic_ns() + delay_ns, self._arrived, request, ending))

    def _in_flight(self) -> int:
        return len(self._held) + len(self._due) + self._running

    def _others(self, request: ClientRequest) -> list[ClientRequest]:
        """The other requests of the same client that are in flight."""
        with self._changed:
            rest = [*self._held, *(entry[2] for entry in self._due)]
            return [other for other in rest if other.endpoint is request.endpoint]


def finish(request: ClientRequest, ending: Ending, others: Callable[[ClientRequest], list[ClientRequest]]) -> None:
    """Do the work of a request, and complete it in that way."""
    endpoint = request.endpoint
    started_ns = monotonic_ns()
    status, out_len = request.perform()
    if ending in (Ending.FAILED, Ending.RESET):
        status, out_len = (CompletionStatus.FAILED if ending is Ending.FAILED else CompletionStatus.RESET), 0
    elif ending is Ending.CORRUPT and out_len:
        endpoint.memory.bytes[request.out_off] ^= 1
    elif ending is Ending.WOKEN_FIRST:
        _wake(request)
    elif ending is Ending.RESUMED_FIRST:
        _let_resume(request)
    if endpoint.gone:
        return
    completion = (request.cookie, int(status), out_len, started_ns, monotonic_ns())
    endpoint.complete([completion])
    if ending is Ending.TWICE:
        _extra(endpoint, completion)
        for other in others(request):
            _wake(other)
    endpoint.fire()


def _let_resume(request: ClientRequest) -> None:
    """Wake its job, and return when the client has counted one more resume for nothing, or seems not to resume it."""
    endpoint = request.endpoint
    before = endpoint.memory.client_counts().get("spurious", 0)
    if not _wake(request):
        return
    endpoint.fire()
    end_ns = monotonic_ns() + RESUME_NS
    while not endpoint.gone and monotonic_ns() < end_ns:
        if endpoint.memory.client_counts().get("spurious", 0) > before:
            return
        sleep(LOOK_EVERY_S)


def _wake(request: ClientRequest) -> bool:
    now_ns = monotonic_ns()
    return _extra(request.endpoint, (request.cookie, int(CompletionStatus.WAKE), 0, now_ns, now_ns))


def _extra(endpoint: Endpoint, entry: tuple[int, int, int, int, int]) -> bool:
    """Write an entry that completes nothing, if there will still be room for every real completion."""
    with endpoint.lock:
        memory = endpoint.memory
        if endpoint.gone or memory.unread + endpoint.outstanding >= memory.layout.entries:
            return False
        memory.complete([entry])
        return True


class ScriptedExecutors(Executors):
    """Gives every request to the script. Belongs to the server's thread."""

    script: Script

    def run(self, client: ConnectedClient, batch: list[tuple[int, ...]]) -> None:
        """Loads of keys are answered at once, because they are not operations that a server waits for."""
        requests, answered = decode(client, batch, self._kernels)
        if answered:
            client.endpoint.complete(answered)
            client.endpoint.fire()
        if requests:
            self.script.arrive(requests)

    def drop(self, endpoint: Endpoint) -> None:
        """The client is gone."""
        self.script.forget(endpoint)
        super().drop(endpoint)


class ScriptedServer(Server):
    """A device that follows a script."""

    executors = ScriptedExecutors

    def follow(self, script: Script) -> None:
        """To be called before `serve`."""
        assert isinstance(self._executors, ScriptedExecutors)
        self._executors.script = script
