"""`why_no_device`: whether a device answers and would serve this user, and if not, why."""

from __future__ import annotations

from simaccel.bridge import NoDeviceError, read_report
from simaccel.bridge.remote import open_control
from simaccel.bridge.users import trusted_ids


def why_no_device(address: str) -> str | None:
    """None if the device answers, admits this user, and runs as a user that may see our keys. Otherwise the reason.

    It connects as the provider would, but from this process. A program that runs as another user, in another network
    namespace or in a sandbox may get another answer. Blocks for some seconds at most. Raises UsageError if the setting
    for trusted users names a user that does not exist.
    """
    try:
        open_control(address, trusted=trusted_ids(None)).close()
        read_report(address)
    except NoDeviceError as error:
        return str(error)
    return None
