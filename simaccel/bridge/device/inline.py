"""Short requests, which are done at once in the server's thread. This is the path that decides how many requests a
second are possible.

A device core could do them too (`Device._run_straight`). But it takes them over a ring of its own, for owners that it
does not know, and needs 5.5 us of CPU for a null operation instead of 1.2 us here. With a timing model or faults this
path is not used.
"""

from __future__ import annotations

from collections import deque
from time import monotonic_ns

from sim.statistics import SAMPLES
from simaccel.bridge.device.client_request import ClientRequest, Route
from simaccel.bridge.device.endpoint import Completion, Endpoint
from simaccel.bridge.device.latencies import Latencies

SHOWN_NS = 200_000
"""The longest time for which a completion is held back, so that others share its interrupt."""


class InlineExecutor:
    """Belongs to the server's thread.

    A sample takes half a microsecond if histograms are kept. So requests that are fetched together and complete within
    SHOWN_NS give one sample, even if they are shown to the client in several parts.
    """

    __slots__ = ("by_op", "latencies", "queue_samples", "service_samples")

    def __init__(self, latencies: Latencies | None = None) -> None:
        self.latencies = latencies
        self.by_op: dict[str, int] = {}
        self.queue_samples: deque[int] = deque(maxlen=SAMPLES)
        self.service_samples: deque[int] = deque(maxlen=SAMPLES)

    def run(self, endpoint: Endpoint, requests: list[ClientRequest], answered: list[Completion]) -> list[ClientRequest]:
        """Does the client's requests that are short, and returns the others.

        Completes them, and the completions in `answered` with them, and interrupts the client.
        """
        others: list[ClientRequest] = []
        done = answered
        by_op, inline = self.by_op, Route.INLINE
        last: ClientRequest | None = None
        unsampled: tuple[ClientRequest, int, int] | None = None
        # To interrupt a client that sleeps takes 10 us. With half of what it has in flight it has enough to go on.
        share = max(1, endpoint.outstanding // 2)
        started_ns = shown_ns = sampled_ns = monotonic_ns()
        for request in requests:
            if request.route is not inline:
                others.append(request)
                continue
            name = request.kernel.name
            by_op[name] = by_op.get(name, 0) + 1
            status, out_len = request.perform()
            finished_ns = monotonic_ns()
            done.append((request.cookie, status, out_len, started_ns, finished_ns))
            last = request
            if len(done) >= share or finished_ns - shown_ns >= SHOWN_NS:
                endpoint.complete(done)
                endpoint.fire()
                if finished_ns - sampled_ns >= SHOWN_NS:
                    self._sample(request, started_ns, finished_ns)
                    unsampled, sampled_ns = None, finished_ns
                else:
                    unsampled = request, started_ns, finished_ns
                last = None
                done.clear()
                shown_ns = finished_ns
            started_ns = finished_ns
        if last is not None:
            self._sample(last, *done[-1][3:])
        elif unsampled is not None:
            self._sample(*unsampled)
        if done:
            endpoint.complete(done)
            endpoint.fire()
        return others

    def _sample(self, request: ClientRequest, started_ns: int, finished_ns: int) -> None:
        """Notes the times of the last of several requests that complete within SHOWN_NS. One sample is enough."""
        # The client says when it submitted, and may say anything.
        queue_ns = max(0, started_ns - request.submitted_ns)
        self.queue_samples.append(queue_ns)
        self.service_samples.append(finished_ns - started_ns)
        if self.latencies is not None:
            self.latencies.add(request.kernel.name, queue_ns, finished_ns - started_ns)
