"""How an exception is reported that has nobody to be raised to."""

import sys
import threading


def report_unraisable(error: BaseException, message: str, culprit: object) -> None:
    """Hand it to threading.excepthook, which prints it, and which test tools watch. Never raises."""
    error.add_note(f"simaccel: {message}: {culprit!r}")
    try:
        threading.excepthook(
            threading.ExceptHookArgs((type(error), error, error.__traceback__, threading.current_thread()))
        )
    except BaseException as again:  # a hook of the user's that raises must not end the worker
        print(f"simaccel: threading.excepthook raised {again!r} for {error!r} ({message})", file=sys.__stderr__)
