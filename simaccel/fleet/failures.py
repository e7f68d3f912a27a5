"""What an error says of the device that gave it: does the request go to another one, and is this one sick?

A device that is gone takes nothing more. A device that has failed a request may do better with the next. All else is
the request's own fault, such as a wrong tag: it would fail anywhere, so it is handed to its owner.
"""

from __future__ import annotations

from enum import Enum

from sim.errors import ClosedError, DeviceError, InternalError, RejectedError, RemovedError, ResetError
from simaccel.bridge.client.connection import RequestFailed
from simaccel.bridge.remote import NoDeviceError


class Blame(Enum):
    """Whose fault it was."""

    REQUEST = "the request's own: its owner is told"
    UNCLEAR = "the device does not say: another one is asked, and if it succeeds this one was at fault"
    FAILED = "the device's: another one is asked"
    GONE = "the device is gone: another one is asked, and nothing more goes here"


_BLAME: tuple[tuple[type[BaseException], Blame], ...] = (
    (RemovedError, Blame.GONE),
    (ClosedError, Blame.GONE),
    (NoDeviceError, Blame.GONE),
    (InternalError, Blame.GONE),
    (ResetError, Blame.FAILED),
    (DeviceError, Blame.FAILED),
    (RejectedError, Blame.FAILED),
    (RequestFailed, Blame.UNCLEAR),
)


def blame_for(error: BaseException | None) -> Blame:
    """Whose fault this error is, or REQUEST without one."""
    return next((blame for kind, blame in _BLAME if isinstance(error, kind)), Blame.REQUEST)
