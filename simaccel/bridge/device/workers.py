"""The threads in which long requests run if there is no timing model. They take them off one queue, which serves each
client in its turn.

A device core could run them too. But Python code that runs once in 300 us finds the caches of the processor cold. For
an RSA-2048 signature the core spent 50 us on everything else, and a worker spends 15. So a worker does as little as
possible: the server's thread has decoded the request and read its input before.

`cryptography` sets up a libcrypto context for each signature. To call libcrypto through ctypes, with a context that is
kept, gained nothing that we could measure (both reach 0.97 of the rate of software). So we use `cryptography`.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import replace
from time import monotonic_ns

from sim.statistics import SAMPLES, Percentiles, Statistics
from sim.worker import Worker
from simaccel.bridge.device.client_request import ClientRequest
from simaccel.bridge.device.endpoint import Completion, Endpoint
from simaccel.bridge.device.fair_queue import FairQueue
from simaccel.bridge.device.latencies import Latencies
from simaccel.bridge.wire import CompletionStatus

HELD_NS = 2_000_000
"""A completion is held back for at most this time and one request more, so that others share its interrupt."""

_SHARE = 8
"""At most an eighth of a client's requests in flight share an interrupt. So with 64 in flight, a client is woken only
an eighth as often, and waits at most an eighth longer."""


class WorkerThread:
    """One of the threads, with what it counts."""

    def __init__(self, queue: FairQueue[ClientRequest], latencies: Latencies | None = None) -> None:
        self._queue = queue
        self.latencies = latencies
        self.by_op: dict[str, int] = {}
        self.since_ns = monotonic_ns()
        self.busy_ns = 0
        self.failed = 0
        self.interrupts = 0
        self.queue_samples: deque[int] = deque(maxlen=SAMPLES)
        self.service_samples: deque[int] = deque(maxlen=SAMPLES)
        self.worker = Worker(self, monotonic_ns, self._crashed)

    def has_work(self) -> bool:
        """Whether a step would do something now."""
        return len(self._queue) > 0

    def step(self) -> int | None:
        """Does the requests that are there, and completes them. Called by the worker, in its thread."""
        queue, by_op = self._queue, self.by_op
        endpoint: Endpoint | None = None
        done: list[Completion] = []
        show_ns = submitted_ns = 0
        while (request := queue.take()) is not None:
            started_ns = monotonic_ns()
            if endpoint is not request.endpoint:
                self._show(endpoint, done, submitted_ns)
                endpoint = request.endpoint
            if not done:
                show_ns = started_ns + HELD_NS
            status, out_len = request.perform()
            finished_ns = monotonic_ns()
            queue.charge(endpoint, finished_ns - started_ns)
            name = request.kernel.name
            if self.latencies is not None:
                self.latencies.add(name, max(0, started_ns - request.submitted_ns), finished_ns - started_ns)
            by_op[name] = by_op.get(name, 0) + 1
            if status:
                self.failed += 1
            submitted_ns = request.submitted_ns
            done.append((request.cookie, status, out_len, started_ns, finished_ns))
            if len(done) >= endpoint.outstanding // _SHARE or finished_ns >= show_ns:
                self._show(endpoint, done, submitted_ns)
        self._show(endpoint, done, submitted_ns)
        return None

    def _show(self, endpoint: Endpoint | None, done: list[Completion], submitted_ns: int) -> None:
        """Completes what is done, and interrupts the client. `submitted_ns`: when the last of them was submitted."""
        if endpoint is None or not done:
            return
        endpoint.complete(done)
        endpoint.fire()
        _, _, _, started_ns, finished_ns = done[-1]
        # The client says when it submitted, and may say anything.
        self.queue_samples.append(max(0, started_ns - submitted_ns))
        self.service_samples.append(finished_ns - started_ns)
        self.busy_ns += finished_ns - done[0][3]
        self.interrupts += 1
        done.clear()

    def add_to(self, part: Statistics) -> Statistics:
        """The statistics of the device core with the same number, plus those of this thread.

        Only one of the two does requests, so the times are those of the one that has done some.
        """
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
        """Fails the requests of this thread after a bug of ours, which was reported, so that no client waits."""
        while (request := self._queue.take()) is not None:
            request.endpoint.complete([(request.cookie, CompletionStatus.FAILED, 0, 0, 0)])
            request.endpoint.fire()


class WorkerThreads:
    """The threads, which share one queue. `add` and `close` belong to the server's thread."""

    def __init__(self, count: int, *, latencies: bool = False) -> None:
        """`latencies`: each thread keeps histograms."""
        self._queue: FairQueue[ClientRequest] = FairQueue()
        self.threads = [WorkerThread(self._queue, Latencies() if latencies else None) for _ in range(count)]

    @property
    def backlog_ns(self) -> int:
        """How long all threads will be busy with what waits. This is estimated from what each did last."""
        last = [thread.service_samples[-1] for thread in self.threads if thread.service_samples]
        return len(self._queue) * min(last) // len(self.threads) if last else 0

    def add(self, requests: list[ClientRequest]) -> None:
        """Queues requests of one client, the oldest first, and wakes as many threads as they need."""
        self._queue.add(requests[0].endpoint, requests)
        to_wake = len(requests)
        for thread in self.threads:
            if not to_wake:
                break
            to_wake -= thread.worker.wake()

    def drop(self, endpoint: Endpoint) -> int:
        """Forgets the waiting requests of a client that is gone. Returns how many these were."""
        return self._queue.drop(endpoint)

    def close(self) -> None:
        """Drops the waiting requests, whose clients are gone, and joins the threads. Blocks until they have ended."""
        self._queue.clear()
        for thread in self.threads:
            thread.worker.stop(lambda: True)
