"""Where operations run: in the server's own thread the short ones, in worker threads the long ones.

A short operation costs less than handing it to another thread. A long one (RSA, and what a Python program asks of RSA
and elliptic curves) releases the GIL while it computes, so workers run in parallel with the server and with each other.
With a timing model or faults everything goes to accelerators like any other, one for each worker, because what an
operation then takes is decided by the device core. A core does what it has in the order of arrival; so it gets little
at once, and the rest waits in lines from which each client is served in its turn, and which a client takes along when
it goes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from time import monotonic_ns
from typing import Any

from sim.accelerator import Accelerator
from sim.errors import SimError
from sim.faults import parse_faults
from sim.faults.handle import Guard
from sim.kernels import Kernels
from sim.statistics import Percentiles
from sim.timing import INSTANT
from simaccel.bridge.device.client import Client
from simaccel.bridge.device.operation import Endpoint, Operation
from simaccel.bridge.device.straight import Straight
from simaccel.bridge.device.workers import Workers
from simaccel.bridge.fair import FairQueue

DEPTH = 4096
"""Of each core's ring."""

AHEAD = 32
"""Requests that a core without a timing model has before it: they come in the order in which they went there, whoever
asks next. With a timing model, where each may take long, a quarter of that."""

AHEAD_NS = 1_000_000
"""And for so long all units of a core may be busy before it is given more."""


INJECTED_TEXTS, INJECTED_CHARACTERS = 50, 200
"""So many of the faults that were asked for, and so much of each, a report shows."""

BATCH_SIZES = 16
"""Sizes of batches that a report has, the most frequent ones."""


class WorkerUnit:
    """An accelerator with its worker thread."""

    def __init__(self, accelerator: Accelerator, refill: Callable[[], object]) -> None:
        """`refill` is called, in the core's thread, when it has completed something."""
        self.accelerator = accelerator
        self._refill = refill
        self._dirty: set[Endpoint] = set()
        accelerator.attach(self._fire, polled=False)

    def wants_more(self, ahead: int) -> bool:
        """Whether it has less before it than that, and its units will soon be free."""
        accelerator = self.accelerator
        return accelerator.queued < ahead and accelerator.frees_in_ns < AHEAD_NS and accelerator.in_flight < DEPTH

    def submit(self, operation: Operation) -> bool:
        """Puts it onto the ring. False: full."""
        operation.dirty = self._dirty
        return self.accelerator.enqueue(operation)

    def _fire(self, freed: int) -> None:
        _fire_all(self._dirty)
        self._refill()


class Engines:
    """The straight path and the workers. Belongs to the server's thread, but for `refill`."""

    def __init__(
        self,
        kernels: Kernels,
        workers: int,
        units: int | None,
        latency: str | None,
        seed: int | None,
        faults: Sequence[str] = (),
    ) -> None:
        """Raises UsageError for parameters that an accelerator does not take."""
        accelerators: list[Accelerator] = []
        try:
            for index in range(workers):
                # Units are dealt out, so that their number limits the rate whatever the number of workers.
                share = None if units is None else max(1, (units + index) // workers)
                accelerators.append(Accelerator(DEPTH, share, latency, seed=seed if seed is None else seed + index))
        except BaseException:
            for accelerator in accelerators:
                accelerator.close(drain=False)
            raise
        self._lines: FairQueue[Operation] = FairQueue()
        self.workers = [WorkerUnit(accelerator, self.refill) for accelerator in accelerators]
        self.dropped = 0
        """Operations that nobody waited for any more, and that were not done."""
        self._kernels = kernels
        self._straight = Straight(kernels)
        self._threads = Workers(workers)
        self._modelled = accelerators[0].timing != INSTANT
        self._guards: list[Guard] = []
        self._injected: list[str] = []
        try:
            for fault in faults:
                self.inject(fault)
        except BaseException:
            self.close()
            raise

    @property
    def seed(self) -> int:
        """The seed of the first worker; each other has one more."""
        return self.workers[0].accelerator.seed

    @property
    def waiting(self) -> int:
        """Operations that are not on a core yet."""
        return len(self._lines)

    @property
    def backlog_ns(self) -> int:
        """For how long the worker threads have something to do, about, whatever is submitted meanwhile."""
        return self._threads.backlog_ns

    @property
    def late(self) -> tuple[int, int, int]:
        """How many operations completed later than the timing model says, of how many, by how many ns in all."""
        parts = [worker.accelerator.statistics() for worker in self.workers]
        ended = sum(part.completed + part.failed for part in parts)
        return sum(part.late for part in parts), ended, sum(part.late_ns for part in parts)

    def run(self, client: Client, batch: list[tuple[int, ...]]) -> None:
        """Does the short ones of a client's submissions, and lines the others up.

        Raises Violation, behind which the client must go.
        """
        if self._modelled or self._guards:
            others = client.operations(batch, monotonic_ns(), self._kernels)
        else:
            long, others = self._straight.run(client, batch)
            if long:
                self._threads.add(long)
        if others:
            self._lines.add(client.endpoint, others)
            self.refill()

    def drop(self, endpoint: Endpoint) -> None:
        """The client is gone: what waits of it is not done."""
        self.dropped += self._lines.drop(endpoint) + self._threads.drop(endpoint)

    def refill(self) -> None:
        """Gives the cores what waits, as long as they want more. Any thread."""
        ahead = AHEAD // 4 if self._modelled or self._guards else AHEAD
        touched: set[int] = set()
        while True:
            wanting = [index for index, worker in enumerate(self.workers) if worker.wants_more(ahead)]
            operation = self._lines.take() if wanting else None
            if operation is None:
                break
            index = min(wanting, key=lambda i: self.workers[i].accelerator.queued)
            operation.charge = self._lines.charge
            try:
                taken = self.workers[index].submit(operation)
            except SimError as error:  # a fault: rejected, or the device was pulled out
                operation.refuse(error)
                continue
            if taken:
                touched.add(index)
            else:
                operation.refuse(None)
        for index in touched:
            self.workers[index].accelerator.doorbell()

    def inject(self, faults: str) -> None:
        """Installs fault rules, given as text, on every worker, until `clear`. UsageError for what can't be one."""
        parse_faults(faults)  # all of it, so that nothing is installed of what is wrong
        self._injected.append(faults)
        self._guards += [worker.accelerator.faults.install(faults) for worker in self.workers]

    def clear(self) -> None:
        """Removes all fault rules; what they hold is released, and a device that was pulled out is back."""
        self._injected.clear()
        while self._guards:
            self._guards.pop().remove()
        for worker in self.workers:
            worker.accelerator.faults.plug_in()

    def statistics(self) -> dict[str, Any]:
        """Sums over all cores, and what each worker says of itself."""
        pairs = zip(self._threads.threads, self.workers, strict=True)
        parts = [thread.add_to(worker.accelerator.statistics()) for thread, worker in pairs]
        by_op = dict(self._straight.by_op)
        for part in parts:
            for op, count in part.by_op.items():
                by_op[op] = by_op.get(op, 0) + count
        faults: Counter[str] = Counter()
        for part in parts:
            faults.update(part.faults)
        return {
            "faults": dict(sorted(faults.items())),
            "by_op": dict(sorted(by_op.items())),
            "spurious": sum(part.spurious for part in parts),
            "orphaned": sum(part.orphaned for part in parts),
            "dropped": self.dropped,
            "waiting": self.waiting,
            "batches": sum(part.batches for part in parts),
            "short": {
                "queue": asdict(Percentiles.of(list(self._straight.queue_samples))),
                "service": asdict(Percentiles.of(list(self._straight.service_samples))),
            },
            "injected": [text[:INJECTED_CHARACTERS] for text in self._injected[:INJECTED_TEXTS]],
            "workers": [_bounded(part.to_dict()) for part in parts],
        }

    def close(self) -> None:
        """Fails what is in flight and joins the workers."""
        self._threads.close()
        self._lines.clear()
        for worker in self.workers:
            worker.accelerator.close(drain=False)


def _bounded(part: dict[str, Any]) -> dict[str, Any]:
    """Without the rarer sizes of batches, of which there may be thousands: a report is to be short."""
    sizes = sorted(part["batch_sizes"].items(), key=lambda size_and_count: -size_and_count[1])
    return {**part, "batch_sizes": dict(sorted(sizes[:BATCH_SIZES]))}


def _fire_all(dirty: set[Endpoint]) -> None:
    while dirty:
        dirty.pop().fire()
