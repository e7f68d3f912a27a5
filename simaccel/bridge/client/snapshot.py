"""The statistics of a connection, as those of any accelerator."""

from __future__ import annotations

from sim.statistics import Percentiles, Statistics
from simaccel.bridge.client.connection import Connection


def snapshot(connection: Connection) -> Statistics:
    """See `RemoteAccelerator.statistics`. Any thread may call it."""
    counters, ring = connection.counters, connection.ring
    now_ns = connection.clock.now_ns()
    full_ns = counters.time_at_full_ns
    if counters.full_since_ns is not None:
        full_ns += now_ns - counters.full_since_ns
    possible_ns = now_ns - counters.since_ns
    return Statistics(
        submitted=ring.tail,
        completed=counters.completed,
        failed=counters.failed,
        orphaned=counters.orphaned,
        spurious=counters.spurious + connection.strays,
        in_flight=ring.outstanding,
        high_water=ring.high_water,
        ring_full=counters.ring_full,
        time_at_full_ns=full_ns,
        doorbells=counters.doorbells,
        interrupts=connection.interrupt.fired,
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
        faults={},
    )
