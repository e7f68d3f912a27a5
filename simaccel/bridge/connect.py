"""The way to a device in another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simaccel.bridge.client.accelerator import RemoteAccelerator


def connect(
    address: str | None = None,
    *,
    depth: int = 256,
    slot_bytes: int = 131_072,
    trusted_users: Sequence[str | int] | None = None,
) -> RemoteAccelerator:
    """An accelerator like any other, whose device is the process that `simaccel serve` runs at that address.

    By default the address is SIMACCEL_SOCKET's, or @simaccel. A device that allows fewer slots than `depth` gives what
    it allows; the accelerator's `depth` then says how many. The device must run as our own user, as root, or as one of
    `trusted_users`, names or uids; None takes those of SIMACCEL_TRUSTED_USERS, words apart by commas or spaces.

    Blocks until the device lets us in, 5 s at most. Raises NoDeviceError (of `simaccel.bridge`) if no device answers,
    or if it belongs to somebody else. Raises UsageError if the address, the users or the sizes are not valid.
    """
    # The bridge is imported by those who use it only.
    from simaccel.bridge.client.accelerator import RemoteAccelerator

    return RemoteAccelerator(address, depth=depth, slot_bytes=slot_bytes, trusted_users=trusted_users)
