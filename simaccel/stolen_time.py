"""How long this machine stood still because it is a virtual one, and its host let others run.

The system counts that for each processor. For whoever measures how long something takes, such time looks like sleep: no
process has used it, and none was ready and had to wait.
"""

from __future__ import annotations

import os

_STEAL = 8
"""The place of that count in the first line of /proc/stat, see proc(5)."""


def stolen_s() -> float:
    """The time that was taken from all processors together since the machine started, in seconds. 0.0 where the system
    does not tell."""
    try:
        with open("/proc/stat", encoding="ascii") as file:
            return int(file.readline().split()[_STEAL]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0.0
