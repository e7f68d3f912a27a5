"""`connect`: an accelerator whose device is another process."""

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

    By default the address is that of SIMACCEL_SOCKET, or else @simaccel. If the device allows fewer slots than `depth`,
    it gives as many as it allows, and the accelerator's `depth` says how many. The device must run as our own user, as
    root, or as one of `trusted_users`, which are names or uids. With None, these are the users in
    SIMACCEL_TRUSTED_USERS, separated by commas or spaces.

    Blocks until the device lets us in, 5 s at most. Raises NoDeviceError (of `simaccel.bridge`) if no device answers,
    or if it belongs to somebody else. Raises UsageError if the address, the users or the sizes are not valid.
    """
    # Imported here, so that the import of simaccel stays fast for those who do not use the bridge.
    from simaccel.bridge.client.accelerator import RemoteAccelerator

    return RemoteAccelerator(address, depth=depth, slot_bytes=slot_bytes, trusted_users=trusted_users)
