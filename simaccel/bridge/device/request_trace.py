"""A Perfetto file of what a device process does: the way of each request, from its client's ring and back.

A client is a group of tracks: its submission ring, when that was full, what it has in flight, its completions and its
interrupts. The threads of the device are another group, with a track for each thread; where a thread has several units
at work at once, it has a track for each of those. A request is a flow of arrows: submit, fetch, service, complete, hand
out. Only a trace of the client shows what the client does after that.

The provider says for which wait context a request is. In a TLS server that is one connection. So a second flow of
arrows leads from each request of a handshake to the next one.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from simaccel.bridge.device.client_request import ClientRequest
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.endpoint import Completion, Endpoint
from simaccel.bridge.wire import CompletionStatus
from simaccel.tracing.file import PORTION, PerfettoFile
from simaccel.tracing.packets import BEGIN, CALLER_FLOWS, COUNTER, END, INSTANT

MOST_CLIENTS = 4_096
"""How many clients are drawn. Later ones are not, because each takes memory until the end of the file."""
CALLER_BITS = 40
"""The lowest bits of a caller's flow: the number that its client gave it. The client's own number is above them."""
LONGEST_WAIT_NS = 60_000_000_000
"""A client says when it has submitted. We believe it if that was at most this long ago."""


class _Client:
    """The tracks of one client, and what it has in flight by cookie."""

    def __init__(self, file: PerfettoFile, name: str, entries: int, rank: int, callers: dict[int, int]) -> None:
        """`callers` says, by cookie, who waits for the requests that were fetched last."""
        group = file.track(name, rank=rank)
        self.callers = callers
        self.first_caller = CALLER_FLOWS + (rank << CALLER_BITS)
        self.file = file
        self.entries = entries
        self.ring = file.track("submission ring", group, rank=1)
        full = file.track("ring full", group, rank=2)
        self.full_begins, self.full_ends = file.head(BEGIN, full, "ring full"), file.head(END, full)
        self.in_flight = file.head(COUNTER, file.track("in flight", group, rank=3, unit="requests"))
        self.completions = file.track("completion ring", group, rank=4)
        interrupts = file.track("interrupts", group, rank=5)
        self.interrupt = file.head(INSTANT, interrupts, "interrupt")
        self.hand_out = file.head(INSTANT, interrupts, "hand out")
        self.submits: dict[str, int] = {}
        self.completes: dict[int, int] = {}
        self.by_cookie: dict[int, tuple[int, str]] = {}
        self.done: list[int] = []
        """Numbers of the complete requests that the client was not told of yet."""
        self.is_full = False


class RequestTrace:
    """The trace of a device process. Any thread may call it."""

    def __init__(self, path: str | os.PathLike[str], on_error: Callable[[OSError], object]) -> None:
        """Raises OSError if the file can't be opened. `on_error` is called once, if it can't be written any more."""
        self._file = PerfettoFile(path)
        self._rows = self._file.rows
        self._on_error = on_error
        self._told = False
        self._numbers = 0
        self._clients: dict[Endpoint, _Client] = {}
        self._seen = 0
        self._threads = self._file.track("threads of the device", rank=MOST_CLIENTS + 1)
        self._lanes: dict[str, list[tuple[int, int]]] = {}
        """By name of a thread: the track of each of its units, and until when it is busy."""
        self._services: dict[tuple[int, str], tuple[int, int]] = {}
        self._fetches: dict[str, int] = {}

    # What the device tells

    def fetched(self, client: ConnectedClient, requests: list[ClientRequest]) -> None:
        """These submissions of a client were fetched just now. In the server's thread."""
        endpoint, now_ns = client.endpoint, time.monotonic_ns()
        drawn = self._clients.get(endpoint) or self._new_client(client)
        if drawn is None:
            return
        fetch = self._fetch()
        for request in requests:
            self._numbers = number = self._numbers + 1
            op = request.kernel.name
            drawn.by_cookie[request.cookie] = number, op
            submitted_ns = request.submitted_ns
            if not now_ns - LONGEST_WAIT_NS <= submitted_ns <= now_ns:
                submitted_ns = now_ns
            submit = drawn.submits.get(op)
            if submit is None:
                submit = drawn.submits[op] = self._file.head(INSTANT, drawn.ring, f"submit {op}")
            caller = drawn.callers.get(request.cookie, 0) & (1 << CALLER_BITS) - 1
            self._rows.put(submitted_ns, submit, number, drawn.first_caller + caller if caller else 0)
            self._rows.put(now_ns, fetch, number)
        self._rows.put(now_ns, drawn.in_flight, endpoint.outstanding)
        if client.ring_is_full and not drawn.is_full:
            drawn.is_full = True
            self._rows.put(now_ns, drawn.full_begins, 0)
        self._flush_if_many()

    def met(self, kind: str, request: ClientRequest) -> None:
        """A request meets a fault."""
        drawn = self._clients.get(request.endpoint)
        if drawn is not None:
            head = self._file.head(INSTANT, drawn.ring, f"fault {kind}")
            self._rows.put(time.monotonic_ns(), head, drawn.by_cookie.get(request.cookie, (0, ""))[0])

    def completed(self, endpoint: Endpoint, completions: list[Completion]) -> None:
        """These requests are on the client's completion ring."""
        drawn = self._clients.get(endpoint)
        if drawn is None:
            return
        now_ns = time.monotonic_ns()
        for cookie, status, _, started_ns, finished_ns in completions:
            number, op = drawn.by_cookie.pop(cookie, (0, ""))
            if not number:  # the answer to a control request, such as a key that was loaded
                continue
            if started_ns:
                self._serve(op, number, started_ns, finished_ns)
            complete = drawn.completes.get(status)
            if complete is None:
                name = "complete" if not status else f"complete {CompletionStatus(status).name.lower()}"
                complete = drawn.completes[status] = self._file.head(INSTANT, drawn.completions, name)
            self._rows.put(max(now_ns, finished_ns), complete, number)
            drawn.done.append(number)
        self._rows.put(now_ns, drawn.in_flight, endpoint.outstanding)
        if drawn.is_full:
            drawn.is_full = False
            self._rows.put(now_ns, drawn.full_ends, 0)
        self._flush_if_many()

    def fired(self, endpoint: Endpoint, interrupts: bool) -> None:
        """The client can see what is complete, and was interrupted unless it polls."""
        drawn = self._clients.get(endpoint)
        if drawn is None:
            return
        now_ns = time.monotonic_ns()
        if interrupts:
            self._rows.put(now_ns, drawn.interrupt, 0)
        done, drawn.done = drawn.done, []
        for number in done:
            self._rows.put(now_ns, drawn.hand_out, number)

    def gone(self, endpoint: Endpoint) -> None:
        """The client has gone."""
        self._clients.pop(endpoint, None)

    def close(self) -> None:
        """Write what is left. Calling again does nothing."""
        self._file.close()
        self._tell()

    # Tracks

    def _new_client(self, client: ConnectedClient) -> _Client | None:
        if self._seen >= MOST_CLIENTS:
            return None
        self._seen += 1
        name = f"{_process_name(client.pid)} ({client.pid})"
        callers = client.memory.callers
        assert callers is not None  # where there is a trace, they are kept
        found = self._clients[client.endpoint] = _Client(
            self._file, name, client.memory.layout.entries, self._seen, callers
        )
        return found

    def _fetch(self) -> int:
        """The head of the rows for fetches by this thread, on the thread's own track."""
        name = threading.current_thread().name
        head = self._fetches.get(name)
        if head is None:
            head = self._fetches[name] = self._file.head(INSTANT, self._file.track(name, self._threads), "fetch")
        return head

    def _serve(self, op: str, number: int, started_ns: int, finished_ns: int) -> None:
        """Draw the service on the first track of this thread that is free then."""
        name = threading.current_thread().name
        lanes = self._lanes.setdefault(name, [])
        for at, (track, busy_until_ns) in enumerate(lanes):
            if busy_until_ns <= started_ns:
                lanes[at] = track, finished_ns
                break
        else:
            track = self._file.track(f"{name}, unit {len(lanes)}", self._threads, rank=len(lanes) + 1)
            lanes.append((track, finished_ns))
        heads = self._services.get((track, op))
        if heads is None:
            heads = self._services[track, op] = self._file.head(BEGIN, track, op), self._file.head(END, track)
        self._rows.put(started_ns, heads[0], number)
        self._rows.put(finished_ns, heads[1], 0)

    def _flush_if_many(self) -> None:
        if len(self._rows) >= PORTION:
            self._file.flush()
            self._tell()

    def _tell(self) -> None:
        if self._file.error is not None and not self._told:
            self._told = True
            self._on_error(self._file.error)


def _process_name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
