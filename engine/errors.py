"""What jobs, engine and scheduler raise. The class says whose fault it was; the message gives value and cure."""

from collections.abc import Callable


class EngineError(Exception):
    """Root of everything this package raises, but for JobCancelled; BlocksLoopWarning is a warning."""


class UsageError(EngineError, ValueError):
    """The caller did what can't work. Nothing changed: job, pool and engine go on as they were."""


class NoJobsError(EngineError):
    """The pool of this thread has given out all its jobs (ASYNC_NO_JOBS). Try again when one has ended."""


class ClosedError(EngineError):
    """The engine or scheduler was closed, or belongs to the parent of this process."""


class RingFullError(EngineError):
    """The submission ring stayed full for as long as the Retry allows. The operation was never submitted."""


class DeadlineError(EngineError, TimeoutError):
    """The operation did not complete by its deadline. Its late completion will be dropped and counted."""


class OperationError(EngineError):
    """The device took the operation and failed it. `__cause__` is what the device gave as the reason."""


class StalledError(EngineError):
    """Jobs wait, and nothing that could wake them will ever happen. The message lists who waits for what."""


class BlocksLoopWarning(RuntimeWarning):
    """An operation was called in a way that keeps the thread of a running event loop until it is done."""


class JobCancelled(BaseException):
    """Raised inside a job, at its pause, by `Job.cancel`.

    Not an Exception, so that a job's `except Exception` does not swallow it by accident.
    """


def comes_in_between(error: BaseException) -> bool:
    """Whether this can come anywhere, whatever is called: as Ctrl-C does, or for want of memory or stack.

    Any other exception that comes out of a callback is the callback's own: it has been called then. After one of these
    nobody knows, and it has to be called again.
    """
    return not isinstance(error, Exception) or isinstance(error, (MemoryError, RecursionError))


class Errors:
    """What several steps raise of which none may keep the others from being done."""

    def __init__(self) -> None:
        self._raised: list[BaseException] = []

    def gather(self, step: Callable[[], object]) -> None:
        """Do a step; keep what it raises, a KeyboardInterrupt too."""
        try:
            step()
        except BaseException as error:
            self._raised.append(error)

    def raise_all(self, message: str) -> None:
        """One exception as itself, several as a group; nothing if there is none."""
        if len(self._raised) == 1:
            raise self._raised[0]
        if self._raised:
            raise BaseExceptionGroup(message, self._raised)
