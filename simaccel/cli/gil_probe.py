"""Does a function release the GIL? Found out by trying. The one file of the command line that makes a thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

TRIES = 200
TRY_NS = 20_000_000
"""Tries until it was seen, for at most so many, and so long if that is longer."""


def releases_gil(function: Callable[[], object]) -> bool:
    """Whether another thread can run Python while the function runs. Calls it many times, for at most some 20 ms.

    With a switch interval of minutes nobody takes the GIL away by force: if another thread ran during a call, the call
    gave it up by itself. A machine so busy that the other thread never got a core looks as if it did not.
    """
    ticks = 0
    stop = False

    def tick() -> None:
        nonlocal ticks
        while not stop:
            ticks += 1
            time.sleep(0)  # gives the GIL back

    interval = sys.getswitchinterval()
    ticker = threading.Thread(target=tick, name="simaccel-gil-probe", daemon=True)
    sys.setswitchinterval(600.0)
    try:
        ticker.start()
        end_ns = time.monotonic_ns() + TRY_NS
        tries = 0
        while tries < TRIES or time.monotonic_ns() < end_ns:
            tries += 1
            before = ticks
            function()
            if ticks != before:
                return True
        return False
    finally:
        stop = True
        sys.setswitchinterval(interval)
        ticker.join()
