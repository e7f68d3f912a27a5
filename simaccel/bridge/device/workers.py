"""Where long operations run without a timing model: threads that take them off one queue, each client in its turn.

The device core could run them too, but Python that runs once in 300 us finds its caches cold: with RSA-2048 what the
core does around a signature took 50 us, this takes 15. So there is as little of it as can be, and what need not happen
in a worker was done by the server's thread before.

`cryptography` sets up a libcrypto context for each signature. Calling libcrypto by ctypes with a context that is kept
gained nothing that could be measured (0.97 of software both), so it stays.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from time import monotonic_ns
from typing import Any, NamedTuple
from zlib import crc32

from sim.statistics import SAMPLES, Percentiles, Statistics
from sim.worker import Worker
from simaccel.bridge.device.memory import Memory
from simaccel.bridge.device.operation import Completion, Endpoint
from simaccel.bridge.device.schemes import UnsupportedScheme
from simaccel.bridge.fair import FairQueue
from simaccel.bridge.wire import CHECKSUM_WORD, Status

HELD_NS = 2_000_000
"""The longest that a completion is held back so that others share its interrupt, but for an operation that runs."""

_SHARE = 8
"""Completions that share an interrupt are at most one to so many of the client's operations in flight: with 64 it wakes
an eighth as often, and waits up to an eighth longer than it does in any case."""

Run = Callable[[bytes, bytes, Any], bytes]


class Work(NamedTuple):
    """A long operation, checked and with its input read."""

    endpoint: Endpoint
    cookie: int
    run: Run
    name: str
    payload: bytes
    aux: bytes
    key: Any
    seal: int | None
    """The checksum of payload and aux, if the result is to be sealed with one."""
    out_off: int
    out_max: int
    submitted_ns: int


def perform(
    memory: Memory, run: Run, payload: bytes, aux: bytes, key: Any, seal: int | None, out_off: int, out_max: int
) -> tuple[int, int]:
    """The work of one, result in the client's memory: status and length. All places must have been checked."""
    try:
        result = run(payload, aux, key)
    except UnsupportedScheme:
        return Status.UNSUPPORTED, 0
    except Exception:  # what a kernel raises is a failure of the request, as on the device core
        return Status.FAILED, 0
    out_len = len(result)
    if out_len > out_max:
        return Status.TOO_LONG, 0
    if seal is not None:
        result += CHECKSUM_WORD.pack(crc32(result, seal))
    if result:
        memory.bytes[out_off : out_off + len(result)] = result
    return 0, out_len


class WorkerThread:
    """One of the threads, with what it counts."""

    def __init__(self, queue: FairQueue[Work]) -> None:
        self._queue = queue
        self.by_op: dict[str, int] = {}
        self.since_ns = monotonic_ns()
        self.busy_ns = 0
        self.failed = 0
        self.interrupts = 0
        self.queue_samples: deque[int] = deque(maxlen=SAMPLES)
        self.service_samples: deque[int] = deque(maxlen=SAMPLES)
        self.worker = Worker(self, monotonic_ns, self._crashed)

    def has_work(self) -> bool:
        """Whether a step would do something."""
        return len(self._queue) > 0

    def step(self) -> int | None:
        """Does what is there, and shows it to the clients."""
        queue, by_op = self._queue, self.by_op
        endpoint: Endpoint | None = None
        done: list[Completion] = []
        show_ns = submitted_ns = 0
        while (work := queue.take()) is not None:
            started_ns = monotonic_ns()
            if endpoint is not work[0]:
                self._show(endpoint, done, submitted_ns)
                endpoint = work[0]
            if not done:
                show_ns = started_ns + HELD_NS
            _, cookie, run, name, payload, aux, key, seal, out_off, out_max, submitted_ns = work
            status, out_len = perform(endpoint.memory, run, payload, aux, key, seal, out_off, out_max)
            finished_ns = monotonic_ns()
            queue.charge(endpoint, finished_ns - started_ns)
            by_op[name] = by_op.get(name, 0) + 1
            if status:
                self.failed += 1
            done.append((cookie, status, out_len, started_ns, finished_ns))
            if len(done) >= endpoint.outstanding // _SHARE or finished_ns >= show_ns:
                self._show(endpoint, done, submitted_ns)
        self._show(endpoint, done, submitted_ns)
        return None

    def _show(self, endpoint: Endpoint | None, done: list[Completion], submitted_ns: int) -> None:
        if endpoint is None or not done:
            return
        endpoint.complete_all(done)
        endpoint.fire()
        _, _, _, started_ns, finished_ns = done[-1]
        # The client says when it submitted, and may say anything.
        self.queue_samples.append(max(0, started_ns - submitted_ns))
        self.service_samples.append(finished_ns - started_ns)
        self.busy_ns += finished_ns - done[0][3]
        self.interrupts += 1
        done.clear()

    def add_to(self, part: Statistics) -> Statistics:
        """What this thread did, and what its sibling on the device core did: the times are of the one that works."""
        ended = sum(self.by_op.values())
        by_op = Counter(dict(self.by_op)) + Counter(part.by_op)
        utilisation = min(1.0, part.utilisation + self.busy_ns / (monotonic_ns() - self.since_ns))
        return replace(
            part,
            submitted=part.submitted + ended,
            completed=part.completed + ended - self.failed,
            failed=part.failed + self.failed,
            interrupts=part.interrupts + self.interrupts,
            busy_ns=part.busy_ns + self.busy_ns,
            utilisation=utilisation,
            queue=Percentiles.of(list(self.queue_samples)) if self.queue_samples else part.queue,
            service=Percentiles.of(list(self.service_samples)) if self.service_samples else part.service,
            by_op=dict(by_op),
        )

    def _crashed(self, error: BaseException) -> None:
        """A bug of ours, which was reported. Nobody is to wait for what this thread would have done."""
        while (work := self._queue.take()) is not None:
            work.endpoint.complete(work.cookie, Status.FAILED, 0, 0, 0)
            work.endpoint.fire()


class Workers:
    """So many threads on one queue. `add` and `close` belong to the server's thread."""

    def __init__(self, count: int) -> None:
        self._queue: FairQueue[Work] = FairQueue()
        self.threads = [WorkerThread(self._queue) for _ in range(count)]

    @property
    def backlog_ns(self) -> int:
        """For how long all threads have something to do, about, going by what each did last."""
        last = [thread.service_samples[-1] for thread in self.threads if thread.service_samples]
        return len(self._queue) * min(last) // len(self.threads) if last else 0

    def add(self, work: list[Work]) -> None:
        """To be done, oldest first: work of one client."""
        self._queue.add(work[0].endpoint, work)
        sleepy = len(work)
        for thread in self.threads:
            if not sleepy:
                break
            sleepy -= thread.worker.wake()

    def drop(self, endpoint: Endpoint) -> int:
        """Forgets what waits of a client that is gone; how much it was."""
        return self._queue.drop(endpoint)

    def close(self) -> None:
        """Drops what waits, of clients that are gone, and joins the threads."""
        self._queue.clear()
        for thread in self.threads:
            thread.worker.stop(lambda: True)
