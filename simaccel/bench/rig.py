"""What the benchmarks run on: how to make an accelerator. Handed in, so that nothing here knows a device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rig:
    """Makers of what is measured. All must be importable by name: some figures are taken in a process of their own.

    `accelerator` is called as accelerator(depth=, latency=, units=, clock=, coalescing=), by keyword and with those
    that matter; what it returns is a context manager. `coalescing(count=, time_ns=)` makes the last of these.
    """

    accelerator: Callable[..., Any]
    virtual_clock: Callable[[], Any]
    coalescing: Callable[..., Any]
    device_process: Callable[[], AbstractContextManager[Callable[..., Any]]]
    """Starts a device that is a process of its own, and gives what is called as accelerator(depth=)."""
