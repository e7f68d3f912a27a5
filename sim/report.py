"""How an exception is reported that has nobody to be raised to."""

import sys


def report_unraisable(error: BaseException, message: str, culprit: object) -> None:
    """Hand it to sys.unraisablehook, which prints it, and which test tools watch. Never raises."""
    # A struct sequence, made from one tuple; typeshed knows it as a protocol only.
    args = sys.UnraisableHookArgs((type(error), error, error.__traceback__, message, culprit))  # type: ignore[misc, call-arg]
    try:
        sys.unraisablehook(args)
    except Exception as again:  # a hook of the user's that raises must not end the worker
        print(f"simaccel: sys.unraisablehook raised {again!r} for {error!r} ({message})", file=sys.__stderr__)
