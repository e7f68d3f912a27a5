"""Whether a device answers, and would serve us."""

from __future__ import annotations

from simaccel.bridge import NoDeviceError, read_report
from simaccel.bridge.remote import open_control
from simaccel.bridge.users import trusted_ids


def why_no_device(address: str) -> str | None:
    """None if the device there answers, lets this user in, and is one that keys may be given to; else why it is not so.

    Asks as the provider would, from this process: what differs in the program itself (its user, its network namespace,
    a sandbox) is not seen here. Blocks for some seconds at most. Raises UsageError for a user that does not exist.
    """
    try:
        open_control(address, trusted=trusted_ids(None)).close()
        read_report(address)
    except NoDeviceError as error:
        return str(error)
    return None
