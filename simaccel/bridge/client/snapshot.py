"""The statistics of a connection, as those of any accelerator."""

from __future__ import annotations

from dataclasses import replace

from sim.snapshot import counted
from sim.statistics import Statistics
from simaccel.bridge.client.connection import Connection


def snapshot(connection: Connection) -> Statistics:
    """See `RemoteAccelerator.statistics`. Any thread may call it."""
    counters, ring, interrupt = connection.counters, connection.ring, connection.interrupt
    found = counted(counters, ring, interrupt, connection.clock.now_ns(), 1, {})
    return replace(found, spurious=found.spurious + connection.strays)
