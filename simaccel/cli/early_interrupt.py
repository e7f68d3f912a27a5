"""Ctrl-C before a command has begun its work: SIGINT ends the process at once, with one line and exit code 130.
Afterwards, Ctrl-C is never lost.

Python turns Ctrl-C into a KeyboardInterrupt wherever the program happens to be. In the first tenths of a second that is
in the middle of an import, and ends in a traceback. So until a command begins its work, and again after it, the process
ends at once, because there is nothing to undo. While the command works, KeyboardInterrupt is raised as usual.

But a KeyboardInterrupt that is raised in `__del__` or in the callback of a weak reference is printed and forgotten. To
collect garbage may take a tenth of a second. A signal that comes meanwhile is handled in the first Python code after
that, which may well be a `__del__`. So if it was lost, SIGINT comes once more.

This file is imported before anything that takes time, so it imports almost nothing itself.
"""

from __future__ import annotations

import os
import signal
import sys

INTERRUPTED = 130
"""128 + SIGINT, the exit code that shells use."""

AGAIN_S = 0.01
"""A SIGINT that was lost comes again after this time. If it is lost again, it comes again."""


def exit_on_interrupt() -> None:
    """From now on SIGINT ends this process with one line. Does nothing where SIGINT is ignored, as under nohup."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)
    # SIGINT is blocked if this process has started itself again.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))


def raise_on_interrupt() -> None:
    """From now on SIGINT raises KeyboardInterrupt again, if `exit_on_interrupt` had changed that."""
    if signal.getsignal(signal.SIGINT) is _exit:
        sys.unraisablehook = _unraisable
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _unraisable(args: sys.UnraisableHookArgs) -> None:
    if args.exc_type is not KeyboardInterrupt:
        sys.__unraisablehook__(args)
        return
    import threading  # by now something else has imported it

    main = threading.main_thread().ident
    assert main is not None
    again = threading.Timer(AGAIN_S, signal.pthread_kill, (main, signal.SIGINT))  # which also ends a system call
    again.daemon = True
    again.start()


def _exit(number: int, frame: object) -> None:
    try:
        os.write(2, b"simaccel: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
