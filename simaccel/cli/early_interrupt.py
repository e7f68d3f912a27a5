"""Ctrl-C before a command has begun its work: SIGINT ends the process at once, with one line and exit code 130.

Python turns Ctrl-C into a KeyboardInterrupt wherever the program happens to be. In the first tenths of a second that is
in the middle of an import, and ends in a traceback. So until a command begins its work, and again after it, the process
ends at once, because there is nothing to undo. While the command works, KeyboardInterrupt is raised as usual.

This file is imported before anything that takes time, so it imports almost nothing itself.
"""

from __future__ import annotations

import os
import signal

INTERRUPTED = 130
"""128 + SIGINT, the exit code that shells use."""


def exit_on_interrupt() -> None:
    """From now on SIGINT ends this process with one line. Does nothing where SIGINT is ignored, as under nohup."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _exit)
    # SIGINT is blocked if this process has started itself again.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))


def raise_on_interrupt() -> None:
    """From now on SIGINT raises KeyboardInterrupt again, if `exit_on_interrupt` had changed that."""
    if signal.getsignal(signal.SIGINT) is _exit:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(number: int, frame: object) -> None:
    try:
        os.write(2, b"simaccel: interrupted\n")
    finally:
        os._exit(INTERRUPTED)
