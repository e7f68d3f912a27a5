"""Where operations run: on the device core, in the server's own thread for short ones, in worker threads for long ones.

A short operation costs less than handing it to another thread. A long one (RSA) releases the GIL while it computes, so
workers run in parallel with the server and with each other. With a timing model everything goes to the
workers, because what an operation then takes is decided by the model.
"""

from __future__ import annotations

from typing import Any

from sim.accelerator import Accelerator
from sim.bridge.operation import Endpoint, Operation
from sim.clock import RealClock
from sim.device import Device
from sim.interrupt import Coalescing
from sim.randomness import Randomness
from sim.timing import INSTANT

DEPTH = 4096
"""Of each core's ring. Clients wait in their own rings when it is full."""

LONG_BYTES = 65_536
"""Payloads from here on are long work, whatever the kernel."""

_LONG = frozenset({"rsa-sign", "rsa-sign-pss", "rsa-decrypt"})


class Inline:
    """A device core stepped by the server's thread itself."""

    def __init__(self, seed: int) -> None:
        self.device = Device(DEPTH, 1, INSTANT, Coalescing(), Randomness(seed), RealClock())
        self.device.on_space.append(self._fire)
        self._dirty: set[Endpoint] = set()

    def run(self, operations: list[Operation]) -> None:
        """Runs them all and completes them."""
        ring = self.device.ring
        for operation in operations:
            operation.dirty = self._dirty
            # A visit's budget is far below the depth, and every run empties the ring.
            assert ring.push(operation)
        ring.rung = ring.tail
        self.device.step()

    def _fire(self, freed: int) -> None:
        _fire_all(self._dirty)


class WorkerUnit:
    """An accelerator with its worker thread."""

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator = accelerator
        self._dirty: set[Endpoint] = set()
        accelerator.attach(self._fire, polled=False)

    def submit(self, operation: Operation) -> bool:
        """Puts it onto the ring. False: full."""
        operation.dirty = self._dirty
        return self.accelerator.enqueue(operation)

    def _fire(self, freed: int) -> None:
        _fire_all(self._dirty)


class Engines:
    """The inline core and the workers. Belongs to the server's thread."""

    def __init__(self, workers: int, units: int | None, latency: str | None, seed: int | None) -> None:
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
        self.workers = [WorkerUnit(accelerator) for accelerator in accelerators]
        self.inline = Inline(self.seed)
        self._modelled = accelerators[0].timing != INSTANT

    @property
    def seed(self) -> int:
        """The seed of the first worker; each other has one more."""
        return self.workers[0].accelerator.seed

    @property
    def free(self) -> int:
        """Operations that surely find room."""
        return min(DEPTH - worker.accelerator.in_flight for worker in self.workers)

    def run(self, operations: list[Operation]) -> None:
        """Starts the long ones, then does the short ones. There must be room."""
        if self._modelled:
            long, short = operations, []
        else:
            long = [operation for operation in operations if _is_long(operation)]
            short = [operation for operation in operations if not _is_long(operation)] if long else operations
        if long:
            self._start(long)
        if short:
            self.inline.run(short)

    def _start(self, operations: list[Operation]) -> None:
        touched: set[int] = set()
        for operation in operations:
            index = min(range(len(self.workers)), key=lambda i: self.workers[i].accelerator.in_flight)
            assert self.workers[index].submit(operation)
            touched.add(index)
        for index in touched:
            self.workers[index].accelerator.doorbell()

    def statistics(self) -> dict[str, Any]:
        """Sums over all cores, and what each worker says of itself."""
        parts = [worker.accelerator.statistics() for worker in self.workers]
        counters = self.inline.device.counters
        by_op: dict[str, int] = dict(counters.by_op)
        for part in parts:
            for op, count in part.by_op.items():
                by_op[op] = by_op.get(op, 0) + count
        return {
            "by_op": dict(sorted(by_op.items())),
            "spurious": counters.spurious + sum(part.spurious for part in parts),
            "orphaned": counters.orphaned + sum(part.orphaned for part in parts),
            "batches": counters.batches + sum(part.batches for part in parts),
            "workers": [part.to_dict() for part in parts],
        }

    def close(self) -> None:
        """Fails what is in flight and joins the workers."""
        for worker in self.workers:
            worker.accelerator.close(drain=False)


def _is_long(operation: Operation) -> bool:
    return operation.op in _LONG or len(operation.payload) >= LONG_BYTES


def _fire_all(dirty: set[Endpoint]) -> None:
    while dirty:
        dirty.pop().fire()
