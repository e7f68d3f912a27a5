"""Finds out whether a function releases the GIL, by trying. For that it makes a thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

TRIES = 200
TRY_NS = 20_000_000
"""It tries until it has seen that the GIL was released: at most TRIES times, or for TRY_NS if that is longer."""


def releases_gil(function: Callable[[], object]) -> bool:
    """Whether another thread can run Python while the function runs. Calls it many times, for about 20 ms at most.

    The switch interval is set to minutes, so that no thread takes the GIL away by force. If another thread runs during
    a call, the call has released the GIL by itself. On a machine that is so busy that the other thread gets no core,
    the answer is wrongly False.
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
