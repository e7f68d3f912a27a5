"""How an exception is reported that has nobody to be raised to: a callback's, called for a job that is not there."""

import sys
import threading


def report_unraisable(error: BaseException, what: str, culprit: object) -> None:
    """Hand it to threading.excepthook, which prints it, and which test tools watch. Never raises."""
    error.add_note(f"simaccel: {what} raised; the engine goes on: {culprit!r}")
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
    except BaseException as again:  # a hook of the user's that raises must not end whoever goes on here
        print(f"simaccel: threading.excepthook raised {again!r} for {error!r} ({what})", file=sys.__stderr__)
