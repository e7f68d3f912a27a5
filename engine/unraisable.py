"""Reports exceptions that have no caller to go to, such as those of a callback in a device's thread."""

import sys
import threading
from contextlib import suppress


def report_unraisable(error: BaseException, what: str, culprit: object) -> None:
    """Pass it to threading.excepthook, which prints it, and which test tools watch. Never raises.

    `culprit` and `error` may be objects of the user, so their `__repr__` and `add_note` may raise.
    """
    with suppress(BaseException):  # if adding the note fails, the exception is reported without it
        error.add_note(f"simaccel: {what} raised; the engine goes on: {_shown(culprit)}")
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
    except BaseException as failure:  # the hook is the user's, and its exception must not end this thread
        with suppress(BaseException):  # nothing is left to report with
            print(
                f"simaccel: threading.excepthook raised {_shown(failure)} for {_shown(error)} ({what})",
                file=sys.__stderr__,
            )


def _shown(value: object) -> str:
    try:
        return repr(value)
    except BaseException:
        return f"a {type(value).__name__} whose __repr__ raises"
