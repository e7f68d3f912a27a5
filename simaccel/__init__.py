"""simaccel: an asynchronous crypto accelerator that needs no hardware.

It has the names that most programs need. They come from `waitctx` (wait contexts), `sim` (the device), `engine` (jobs,
the engine, schedulers) and `simaccel.bridge` (a device in another process). A name is imported when it is first used,
so `import simaccel` takes almost no time.
"""

from __future__ import annotations

from importlib import import_module

from simaccel.version import __version__

TYPE_CHECKING = False
"""Type checkers treat this name as true. To import it from typing would take longer than all the rest."""

if TYPE_CHECKING:
    from engine import (
        Engine,
        Job,
        JobState,
        Retry,
        Scheduler,
        block_pauses,
        cleanup_pool,
        current_job,
        init_pool,
        pause_job,
        start_job,
    )
    from sim import Accelerator, Coalescing, Statistics, Timing, Trace, VirtualClock, When, parse_faults
    from simaccel.bridge import connect, device_process
    from waitctx import ChangedFds, Status, WaitCtx, WaitFd

__all__ = [
    "Accelerator",
    "ChangedFds",
    "Coalescing",
    "Engine",
    "Job",
    "JobState",
    "Retry",
    "Scheduler",
    "Statistics",
    "Status",
    "Timing",
    "Trace",
    "VirtualClock",
    "WaitCtx",
    "WaitFd",
    "When",
    "__version__",
    "block_pauses",
    "cleanup_pool",
    "connect",
    "current_job",
    "device_process",
    "init_pool",
    "parse_faults",
    "pause_job",
    "start_job",
]

_HOMES = {
    "waitctx": ("ChangedFds", "Status", "WaitCtx", "WaitFd"),
    "sim": ("Accelerator", "Coalescing", "Statistics", "Timing", "Trace", "VirtualClock", "When", "parse_faults"),
    "engine": (
        *("Engine", "Job", "JobState", "Retry", "Scheduler", "block_pauses", "cleanup_pool", "current_job"),
        *("init_pool", "pause_job", "start_job"),
    ),
    "simaccel.bridge": ("connect", "device_process"),
}
"""The package from which each name is imported. A test checks that this, the imports above and `__all__` agree."""


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(home), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'simaccel' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
