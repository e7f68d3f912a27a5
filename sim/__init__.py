"""A simulated accelerator: rings, units, timing, interrupt, kernels with real results. Knows no wait context."""

from sim.accelerator import Accelerator
from sim.clock import RealClock, VirtualClock
from sim.connecting import connect
from sim.errors import ClosedError, IdleError, InternalError, SimError, UnknownKernelError, UsageError
from sim.interrupt import Coalescing
from sim.request import Delivery, Request
from sim.session import Session
from sim.statistics import Percentiles, Statistics
from sim.timing import Timing, parse_timing, preset_names

__all__ = [
    "Accelerator",
    "ClosedError",
    "Coalescing",
    "Delivery",
    "IdleError",
    "InternalError",
    "Percentiles",
    "RealClock",
    "Request",
    "Session",
    "SimError",
    "Statistics",
    "Timing",
    "UnknownKernelError",
    "UsageError",
    "VirtualClock",
    "connect",
    "parse_timing",
    "preset_names",
]
