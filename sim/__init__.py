"""A simulated accelerator: rings, units, timing, an interrupt, and kernels with real results.

It knows nothing of wait contexts and jobs. Programs use `Accelerator`. All names below are public.
"""

import hotpath  # noqa: F401, I001 - first: it chooses the compiled modules or the Python ones

from sim.accelerator import Accelerator
from sim.clock import RealClock, VirtualClock
from sim.errors import (
    ClosedError,
    DeviceError,
    InternalError,
    RejectedError,
    RemovedError,
    ResetError,
    SimError,
    TraceError,
    UnknownKernelError,
    UsageError,
)
from sim.faults import When, parse_faults
from sim.interrupt import Coalescing
from sim.request import Delivery, Request
from sim.session import Session
from sim.statistics import Percentiles, Statistics
from sim.timing import Timing, parse_timing, preset_names
from sim.trace import Trace, Tracer
from sim.trace_file import load_trace, save_trace

__all__ = [
    "Accelerator",
    "ClosedError",
    "Coalescing",
    "Delivery",
    "DeviceError",
    "InternalError",
    "Percentiles",
    "RealClock",
    "RejectedError",
    "RemovedError",
    "Request",
    "ResetError",
    "Session",
    "SimError",
    "Statistics",
    "Timing",
    "Trace",
    "TraceError",
    "Tracer",
    "UnknownKernelError",
    "UsageError",
    "VirtualClock",
    "When",
    "load_trace",
    "parse_faults",
    "parse_timing",
    "preset_names",
    "save_trace",
]
