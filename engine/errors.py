"""What jobs, the engine and the scheduler raise. The class says whose fault it is; the message says what to do."""

from collections.abc import Callable


class EngineError(Exception):
    """The root of all errors of this package, except JobCancelled and BlocksLoopWarning."""


class UsageError(EngineError, ValueError):
    """The caller made a mistake. Nothing has changed, and the job, the pool and the engine can be used as before."""


class NoJobsError(EngineError):
    """All jobs of this thread's pool are in use (ASYNC_NO_JOBS). Try again when one has ended."""


class ClosedError(EngineError):
    """The engine or scheduler was closed, or belongs to the parent of this process."""


class RingFullError(EngineError):
    """The submission ring stayed full for as long as the Retry allows. The operation was never submitted."""


class DeadlineError(EngineError, TimeoutError):
    """The operation did not complete by its deadline. If it completes later, the completion is dropped and counted."""


class OperationError(EngineError):
    """The device failed the operation. `__cause__` is the reason that the device gave."""


class StalledError(EngineError):
    """Jobs wait, and nothing that could wake them will ever happen. The message lists what each waits for."""


class BlocksLoopWarning(RuntimeWarning):
    """A call blocks the thread of a running event loop until its operation is done."""


class JobCancelled(BaseException):
    """Raised inside a job, at its pause, by `Job.cancel`.

    It is not an Exception, so that an `except Exception` in the job does not catch it by accident.
    """


def comes_in_between(error: BaseException) -> bool:
    """Whether this exception can come between any two steps: Ctrl-C, or a lack of memory or of stack.

    If a call of a callback raises such an exception, nobody knows whether the callback had begun, so it must be called
    once more. Any other exception comes from the callback itself, so it was called.
    """
    return not isinstance(error, Exception) or isinstance(error, (MemoryError, RecursionError))


class Errors:
    """Collects the exceptions of several steps, so that each step is done whatever the others raise."""

    def __init__(self) -> None:
        self._raised: list[BaseException] = []

    def gather(self, step: Callable[[], object]) -> None:
        """Do a step, and keep what it raises, even a KeyboardInterrupt."""
        try:
            step()
        except BaseException as error:
            self._raised.append(error)

    def raise_all(self, message: str) -> None:
        """Raise what was kept: a single exception as it is, several as a group. Does nothing if there is none."""
        if len(self._raised) == 1:
            raise self._raised[0]
        if self._raised:
            raise BaseExceptionGroup(message, self._raised)
