"""The exceptions of this package. The class says whose fault it was; the message gives the value and the cure.

Two things raise no exception. For a full ring, `Accelerator.submit` returns False. And a request that fails on the
device completes all the same, and its `error` says why (see `sim.request`).
"""


class SimError(Exception):
    """The base of everything that this package raises."""


class UsageError(SimError, ValueError):
    """The caller gave something that can't work. Nothing was submitted, and nothing has changed."""


class UnknownKernelError(UsageError, LookupError):
    """No kernel of that name is registered."""


class ClosedError(SimError):
    """The accelerator is closed, or belongs to the parent of this process."""


class DeviceError(SimError):
    """The device failed a request because a fault rule said so. `status` is the reason that the rule gave."""

    def __init__(self, status: str) -> None:
        super().__init__(f"the device answered with the status {status!r}")
        self.status = status


class ResetError(SimError):
    """The device was reset while this request was in flight. The device takes requests again."""


class RemovedError(SimError):
    """The device was removed, while this request was in flight or before it was submitted."""


class RejectedError(SimError):
    """The device did not take the request because a fault rule said so. Nothing was submitted."""


class TraceError(SimError, ValueError):
    """A file is not a trace, or is a damaged trace, or one of another version."""


class InternalError(SimError):
    """A bug of ours: an invariant of the device does not hold."""


def fresh(error: SimError) -> SimError:
    """A copy of this exception to raise. If the same object were raised again and again, its traceback would grow."""
    return type(error)(*error.args)
