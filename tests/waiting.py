"""A wait for what only looking shows: what another process has come to, a file, a port.

Between two looks the test leaves the core to the process that it waits for. A look that follows the one before at once
takes half of a core from it, and each look at a device wakes the device.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from tests.limits import WAIT_S

BETWEEN_LOOKS_S = 0.002


class Process(Protocol):
    """As `subprocess.Popen`."""

    def poll(self) -> int | None:
        """The exit status, or None while it runs."""


def wait_until(reached: Callable[[], object], process: Process | None = None) -> None:
    """Until `reached` returns something true. Fails when WAIT_S are over, or if the process ends before."""
    end_s = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < end_s, "the watchdog's time is over"
        assert process is None or process.poll() is None, f"the process ended with {process.poll()}"
        time.sleep(BETWEEN_LOOKS_S)
