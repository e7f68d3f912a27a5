"""The executors do the requests of a device process. This file chooses between them.

- `InlineExecutor`: in the server's thread, the short ones. A short request costs less than handing it to a thread.
- `WorkerThreads`: the long ones (RSA and ML-DSA, and the public-key operations of Python programs). They release the
  GIL while they compute, so workers run in parallel with the server and with each other.
- `Cores`: the rest, and with a timing model or faults all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sim.kernels import Kernels
from sim.statistics import Percentiles
from simaccel.bridge.device.client_request import ClientRequest, Route
from simaccel.bridge.device.connected_client import ConnectedClient
from simaccel.bridge.device.cores import Cores
from simaccel.bridge.device.decode import decode
from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.inline import InlineExecutor
from simaccel.bridge.device.latencies import Latencies, merged
from simaccel.bridge.device.workers import WorkerThreads

if TYPE_CHECKING:
    from simaccel.bridge.device.request_trace import RequestTrace  # which needs numpy

INJECTED_TEXTS, INJECTED_CHARACTERS = 50, 200
"""How many of the injected faults a report shows, and how many characters of each."""

BATCH_SIZES = 16
"""How many sizes of batches a report shows: the most frequent ones."""


class Executors:
    """All three executors. Belongs to the server's thread."""

    def __init__(
        self,
        kernels: Kernels,
        workers: int,
        units: int | None,
        latency: str | None,
        seed: int | None,
        faults: Sequence[str] = (),
        *,
        latencies: bool = False,
        trace: RequestTrace | None = None,
    ) -> None:
        """Raises UsageError for parameters that an accelerator does not take."""
        self.cores = Cores(workers, units, latency, seed)
        self.dropped = 0
        """Requests that were not done, because their client had gone."""
        self._kernels = kernels
        self._trace = trace
        if trace is not None:
            self.cores.observe_faults(trace.met)
        self._inline = InlineExecutor(Latencies() if latencies else None)
        self._threads = WorkerThreads(workers, latencies=latencies)
        kept = [self._inline.latencies, *(thread.latencies for thread in self._threads.threads)]
        self._latencies = [part for part in kept if part is not None]
        """The histograms of all executors, if they are kept."""
        if latencies:
            self._latencies += self.cores.keep_latencies()
        try:
            for fault in faults:
                self.cores.inject(fault)
        except BaseException:
            self.close()
            raise

    @property
    def backlog_ns(self) -> int:
        """Roughly how long the worker threads are busy with what waits now."""
        return self._threads.backlog_ns

    def run(self, client: ConnectedClient, batch: list[tuple[int, ...]]) -> None:
        """Does the short submissions of a client, and queues the others.

        Raises Violation; then the client must go, and nothing of the batch is done.
        """
        requests, answered = decode(client, batch, self._kernels)
        endpoint = client.endpoint
        if self._trace is not None:
            endpoint.watcher = self._trace
            self._trace.fetched(client, requests)
        if self.cores.decides:
            if answered:
                endpoint.complete(answered)
                endpoint.fire()
            if requests:
                self.cores.add(requests)
            return
        others = self._inline.run(endpoint, requests, answered)
        if others:
            self._hand_over(others)

    def _hand_over(self, requests: list[ClientRequest]) -> None:
        for_threads = [request for request in requests if request.route is Route.WORKER]
        for_cores = [request for request in requests if request.route is Route.CORE]
        if for_threads:
            self._threads.add(for_threads)
        if for_cores:
            self.cores.add(for_cores)

    def add(self, client: ConnectedClient) -> None:
        """This client was let in."""
        if self._trace is not None:
            client.memory.callers = {}

    def drop(self, endpoint: Endpoint) -> None:
        """Forgets the waiting requests of a client that is gone."""
        if self._trace is not None:
            self._trace.gone(endpoint)
        self.dropped += self.cores.drop(endpoint) + self._threads.drop(endpoint)

    def statistics(self) -> dict[str, Any]:
        """Sums over all executors, and what each worker says of itself. Any thread may call it."""
        pairs = zip(self._threads.threads, self.cores.statistics(), strict=True)
        parts = [thread.add_to(core) for thread, core in pairs]
        by_op = Counter(dict(self._inline.by_op))
        faults: Counter[str] = Counter()
        for part in parts:
            by_op.update(part.by_op)
            faults.update(part.faults)
        return {
            "faults": dict(sorted(faults.items())),
            "by_op": dict(sorted(by_op.items())),
            "spurious": sum(part.spurious for part in parts),
            "orphaned": sum(part.orphaned for part in parts),
            "dropped": self.dropped,
            "waiting": self.cores.waiting,
            "held": self.cores.held,
            "batches": sum(part.batches for part in parts),
            "short": {
                "queue": asdict(Percentiles.of(list(self._inline.queue_samples))),
                "service": asdict(Percentiles.of(list(self._inline.service_samples))),
            },
            "injected": [text[:INJECTED_CHARACTERS] for text in self.cores.injected[:INJECTED_TEXTS]],
            "workers": [
                {**_bounded(part.to_dict()), "units": units}
                for part, units in zip(parts, self.cores.units, strict=True)
            ],
            **({"latencies": merged(self._latencies)} if self._latencies else {}),
        }

    def close(self) -> None:
        """Drops what waits, fails what is in flight, and joins all threads."""
        self._threads.close()
        self.cores.close()
        if self._trace is not None:
            self._trace.close()


def _bounded(part: dict[str, Any]) -> dict[str, Any]:
    """The same statistics without the rarer sizes of batches. There may be thousands, and a report is one message."""
    sizes = sorted(part["batch_sizes"].items(), key=lambda size_and_count: -size_and_count[1])
    return {**part, "batch_sizes": dict(sorted(sizes[:BATCH_SIZES]))}
