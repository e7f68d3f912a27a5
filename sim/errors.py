"""What the device raises. The class says whose fault it was; the message gives the value and the cure.

A full ring is no error: `Accelerator.submit` answers it. A request that fails on the device is no error
either: it completes, with a status (see `sim.request`).
"""


class SimError(Exception):
    """Root of everything this package raises."""


class UsageError(SimError, ValueError):
    """The caller gave something that can't work. Nothing was submitted, nothing changed."""


class UnknownKernelError(UsageError, LookupError):
    """No kernel of that name is registered."""


class ClosedError(SimError):
    """The accelerator was closed, or belongs to the parent of this process."""


class DeviceError(SimError):
    """The device failed a request, because a fault rule said so. `status` is what it gave as the reason."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the device answered with the status {status!r}")
        self.status = status


class ResetError(SimError):
    """The device was reset while this request was in flight. The device takes requests again."""


class RemovedError(SimError):
    """The device was pulled out, while this request was in flight or before it was submitted."""


class RejectedError(SimError):
    """The device did not take the request, because a fault rule said so. Nothing was submitted."""


class TraceError(SimError, ValueError):
    """A trace file that can't be used: damaged, of another version, or none at all."""


class InternalError(SimError):
    """A bug of ours: an invariant of the device does not hold."""


def fresh(error: SimError) -> SimError:
    """A new exception like this one, to be raised in its place: tracebacks of earlier raises don't pile up on it."""
    return type(error)(*error.args)
