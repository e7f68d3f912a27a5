"""The statistics of a device at this moment."""

from __future__ import annotations

from collections.abc import Mapping

from sim.device import Device
from sim.interrupt import Interrupt
from sim.ring import SubmissionRing
from sim.statistics import Counters, Percentiles, Statistics


def snapshot(device: Device, faults: Mapping[str, int]) -> Statistics:
    """All that the device has counted. `faults`: how many faults of each kind its requests have met. Any thread."""
    now_ns = device.clock.now_ns()
    return counted(device.counters, device.ring, device.interrupt, now_ns, device.units.count, faults)


def counted(
    counters: Counters,
    ring: SubmissionRing,
    interrupt: Interrupt,
    now_ns: int,
    units: int,
    faults: Mapping[str, int],
) -> Statistics:
    """The statistics of anything that counts as a device does and has its rings, such as a connection to one."""
    full_ns = counters.time_at_full_ns
    if counters.full_since_ns is not None:
        full_ns += now_ns - counters.full_since_ns
    possible_ns = (now_ns - counters.since_ns) * units
    return Statistics(
        submitted=ring.tail,
        completed=counters.completed,
        failed=counters.failed,
        orphaned=counters.orphaned,
        spurious=counters.spurious,
        in_flight=ring.outstanding,
        high_water=ring.high_water,
        ring_full=counters.ring_full,
        time_at_full_ns=full_ns,
        doorbells=counters.doorbells,
        interrupts=interrupt.fired,
        polls=counters.polls,
        batches=counters.batches,
        batch_sizes=dict(sorted(counters.batch_sizes.items())),
        busy_ns=counters.busy_ns,
        utilisation=min(counters.busy_ns / possible_ns, 1.0) if possible_ns else 0.0,
        queue=Percentiles.of(list(counters.queue_samples)),
        service=Percentiles.of(list(counters.service_samples)),
        handler_errors=counters.handler_errors,
        longest_interrupt_ns=counters.longest_interrupt_ns,
        by_op=dict(sorted(counters.by_op.items())),
        faults=faults,
        late=counters.late,
        late_ns=counters.late_ns,
        assisted=counters.assisted,
    )
