"""What an error says about the device that gave it: should another device get the request, and is this one sick?

A device that is gone takes no more requests. A device that has failed a request may succeed with the next. Any other
error, such as a wrong tag, is the request's own fault. The request would fail anywhere, so its owner gets the error.
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
    """Whose fault this error is. Without an error, REQUEST."""
    return next((blame for kind, blame in _BLAME if isinstance(error, kind)), Blame.REQUEST)
