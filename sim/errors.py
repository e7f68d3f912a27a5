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


class IdleError(SimError):
    """Virtual time can't go on: somebody waits, and nothing that could wake them is due, ever."""


class InternalError(SimError):
    """A bug of ours: an invariant of the device does not hold."""
