"""The rig says how to make the accelerators on which the benchmarks run. So the benchmarks know no device."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rig:
    """The functions that make what is measured. They must be importable by name, because some figures are taken in a
    process of their own.

    `accelerator` is called with some of the keywords depth, latency, units, clock, coalescing and assist, and returns a
    context manager. `coalescing(count=, time_ns=)` makes the value for the keyword coalescing.
    """

    accelerator: Callable[..., Any]
    virtual_clock: Callable[[], Any]
    coalescing: Callable[..., Any]
    device_process: Callable[[], AbstractContextManager[Callable[..., Any]]]
    """Starts a device process, and yields a function that is called as accelerator(depth=)."""
