"""A process that takes all the CPU time it can get. How much the server takes is compared with it.

On a busy machine a busy loop gets little CPU time, and on an idle one an idle server has time for its timers. Beside a
rival of the same priority a busy loop gets about as much as the rival, however busy the machine is.
"""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress

from simaccel.certify.server_process.process_tree import die_with, keep_only

RIVAL_NS = 300_000_000
"""Many clock ticks, in which the CPU time of a process is counted."""


class Rival:
    """Runs until it has used `cpu_ns` of CPU time. A context manager, which ends it."""

    def __init__(self, cpu_ns: int = RIVAL_NS) -> None:
        self.cpu_ns = cpu_ns
        parent = os.getpid()
        self._pid = os.fork()
        if not self._pid:
            try:
                die_with(parent)
                signal.signal(signal.SIGINT, signal.SIG_DFL)
                keep_only()
                while time.process_time_ns() < cpu_ns:
                    pass
            finally:
                os._exit(0)
        self._fd = os.pidfd_open(self._pid)

    def is_done(self) -> bool:
        """Whether it has used that much."""
        return bool(select.select([self._fd], [], [], 0)[0])

    def __enter__(self) -> Rival:
        return self

    def __exit__(self, *exc: object) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._fd)
