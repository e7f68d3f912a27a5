"""The device cores: accelerators like any other, one for each worker.

With a timing model or faults every request runs here, because then a core decides how long it takes and what goes
wrong. A core does its requests in the order in which they came, so it gets only a few at once. The others wait in a
fair queue, from which each client is served in its turn. When a client goes, its requests leave the queue.
"""

from __future__ import annotations

from collections.abc import Callable

from hotpath.submittable import Submittable
from sim.accelerator import Accelerator
from sim.errors import SimError
from sim.faults import Verdict, parse_faults
from sim.faults.installed_faults import Guard
from sim.statistics import Statistics
from sim.timing import INSTANT
from simaccel.bridge.device.client_request import ClientRequest
from simaccel.bridge.device.core_request import CoreRequest
from simaccel.bridge.device.endpoint import Endpoint
from simaccel.bridge.device.fair_queue import FairQueue
from simaccel.bridge.device.latencies import Latencies

DEPTH = 4096
"""The depth of each core's ring."""

AHEAD = 32
"""How many requests may wait for a core if there is no timing model. They are done before all later ones. With a timing
model each of them may take long, so only a quarter of this number may wait."""

AHEAD_NS = 1_000_000
"""A core gets no more requests while all its units are busy for longer than this."""


class Core:
    """One accelerator, with the clients that its next interrupt is for."""

    def __init__(self, accelerator: Accelerator, refill: Callable[[], object]) -> None:
        """`refill` is called in the core's thread when it has completed something."""
        self.accelerator = accelerator
        self.latencies: Latencies | None = None
        self._refill = refill
        self._dirty: set[Endpoint] = set()
        accelerator.attach(self._fire, polled=False)

    def wants_more(self, ahead: int) -> bool:
        """Whether fewer than `ahead` requests wait for this core, and its units will soon be free."""
        accelerator = self.accelerator
        return accelerator.queued < ahead and accelerator.frees_in_ns < AHEAD_NS and accelerator.in_flight < DEPTH

    def submit(self, request: CoreRequest) -> bool:
        """Puts a request onto the ring. Returns False if the ring is full."""
        request.dirty = self._dirty
        request.latencies = self.latencies
        return self.accelerator.enqueue(request)

    def _fire(self, freed: int) -> None:
        while self._dirty:
            self._dirty.pop().fire()
        self._refill()


class Cores:
    """All cores and the queue before them. Belongs to the server's thread, except `refill`, which any thread may."""

    def __init__(self, count: int, units: int | None, latency: str | None, seed: int | None) -> None:
        """Raises UsageError for parameters that an accelerator does not take."""
        accelerators: list[Accelerator] = []
        try:
            for index in range(count):
                # The units are divided among the cores, so that they limit the rate in the same way with any number of
                # workers.
                share = None if units is None else max(1, (units + index) // count)
                accelerators.append(Accelerator(DEPTH, share, latency, seed=seed if seed is None else seed + index))
        except BaseException:
            for accelerator in accelerators:
                accelerator.close(drain=False)
            raise
        self._queue: FairQueue[CoreRequest] = FairQueue()
        self._cores = [Core(accelerator, self.refill) for accelerator in accelerators]
        self._has_timing = accelerators[0].timing != INSTANT
        self._guards: list[Guard] = []
        self.injected: list[str] = []
        """The faults that were asked for, as text."""

    @property
    def decides(self) -> bool:
        """Whether there is a timing model or a fault, so that every request has to come here."""
        return self._has_timing or bool(self._guards)

    @property
    def seed(self) -> int:
        """The seed of the first core. Each further core has one more."""
        return self._cores[0].accelerator.seed

    @property
    def waiting(self) -> int:
        """Requests that no core has yet."""
        return len(self._queue)

    @property
    def late(self) -> tuple[int, int, int]:
        """How many requests completed later than the timing model says, how many completed in all, and the sum of the
        delays in ns."""
        parts = self.statistics()
        ended = sum(part.completed + part.failed for part in parts)
        return sum(part.late for part in parts), ended, sum(part.late_ns for part in parts)

    def add(self, requests: list[ClientRequest]) -> None:
        """Queues requests of one client, the oldest first, and gives the cores what they want."""
        self._queue.add(requests[0].endpoint, [CoreRequest(request) for request in requests])
        self.refill()

    def drop(self, endpoint: Endpoint) -> int:
        """Forgets the waiting requests of a client that is gone. Returns how many these were."""
        return self._queue.drop(endpoint)

    def refill(self) -> None:
        """Gives waiting requests to the cores, as long as they want more. Any thread may call it."""
        ahead = AHEAD // 4 if self.decides else AHEAD
        touched: set[int] = set()
        while True:
            wanting = [index for index, core in enumerate(self._cores) if core.wants_more(ahead)]
            request = self._queue.take() if wanting else None
            if request is None:
                break
            index = min(wanting, key=lambda i: self._cores[i].accelerator.queued)
            request.charge = self._queue.charge
            try:
                taken = self._cores[index].submit(request)
            except SimError as error:  # a fault: rejected, or the device was pulled out
                request.refuse(error)
                continue
            if taken:
                touched.add(index)
            else:
                request.refuse(None)
        for index in touched:
            self._cores[index].accelerator.doorbell()

    def inject(self, faults: str) -> None:
        """Installs fault rules, given as text, on every core until `clear`. Raises UsageError for an invalid text."""
        parse_faults(faults)  # all of it first, so that nothing is installed if anything is wrong
        self.injected.append(faults)
        self._guards += [core.accelerator.faults.install(faults) for core in self._cores]

    def clear(self) -> None:
        """Removes all fault rules. What they hold is released, and a device that was pulled out is back."""
        self.injected.clear()
        while self._guards:
            self._guards.pop().remove()
        for core in self._cores:
            core.accelerator.faults.plug_in()

    @property
    def units(self) -> list[int]:
        """The number of units of each core."""
        return [core.accelerator.units for core in self._cores]

    @property
    def held(self) -> int:
        """How many requests are held by faults, and wait for their release."""
        return sum(core.accelerator.faults.held for core in self._cores)

    def release(self) -> None:
        """Releases all requests that faults hold, so that they complete. Any thread."""
        for core in self._cores:
            if core.accelerator.faults.held:
                core.accelerator.faults.release()

    def reset(self) -> None:
        """Resets each core: what it has in flight fails. Any thread."""
        for core in self._cores:
            if core.accelerator.in_flight:
                core.accelerator.faults.reset()

    def observe_faults(self, met: Callable[[str, ClientRequest], object]) -> None:
        """Call met(kind, request) for each request that meets a fault."""

        def observe(verdict: Verdict, request: Submittable) -> None:
            if isinstance(request, CoreRequest):
                met(verdict.kind, request.request)

        for core in self._cores:
            core.accelerator.faults.observe(observe)

    def keep_latencies(self) -> list[Latencies]:
        """From now on each core keeps histograms: these."""
        kept = [Latencies() for _ in self._cores]
        for core, latencies in zip(self._cores, kept, strict=True):
            core.latencies = latencies
        return kept

    def statistics(self) -> list[Statistics]:
        """What each core says of itself."""
        return [core.accelerator.statistics() for core in self._cores]

    def close(self) -> None:
        """Drops what waits, fails what is in flight, and joins the cores' threads."""
        self._queue.clear()
        for core in self._cores:
            core.accelerator.close(drain=False)
