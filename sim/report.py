"""How an exception is reported that has nobody to be raised to."""

import sys
import threading
from contextlib import suppress


def report_unraisable(error: BaseException, message: str, culprit: object) -> None:
    """Hand it to threading.excepthook, which prints it, and which test tools watch. Never raises.

    `culprit` and `error` may be the user's: their `__repr__` and `add_note` may raise.
    """
    with suppress(BaseException):  # reported without a note
        error.add_note(f"simaccel: {message}: {_shown(culprit)}")
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
    except BaseException as again:  # a hook of the user's that raises must not end the worker
        with suppress(BaseException):  # nothing is left to report with
            what = f"threading.excepthook raised {_shown(again)} for {_shown(error)} ({message})"
            print(f"simaccel: {what}", file=sys.__stderr__)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except BaseException:
        return f"a {type(value).__name__} whose __repr__ raises"
