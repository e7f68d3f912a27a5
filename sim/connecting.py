"""The way to a device in another process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.bridge.accelerator import RemoteAccelerator


def connect(address: str | None = None, *, depth: int = 256, slot_bytes: int = 131_072) -> RemoteAccelerator:
    """An accelerator like any other, whose device is the process that `simaccel serve` runs at that address.

    By default the address is SIMACCEL_SOCKET's, or @simaccel. Blocks for the length of a connect. Raises NoDeviceError
    (of `sim.bridge`) if no device answers, UsageError for an address or sizes that can't be.
    """
    # The bridge is imported by those who use it only.
    from sim.bridge.accelerator import RemoteAccelerator

    return RemoteAccelerator(address, depth=depth, slot_bytes=slot_bytes)
