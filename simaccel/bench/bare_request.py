"""A request of the benchmarks, which goes to a device directly, without an engine and a job."""

from __future__ import annotations

import time
from typing import Any

from hotpath.submittable import Submittable


class TimedRequest(Submittable):
    """A request that notes when it is handed out."""

    def __init__(self, op: str, payload: bytes = b"", session: Any = None) -> None:
        self.op = op
        self.payload = payload
        self.aux = b""
        self.session = session
        self.kernel = self.key = self.result = self.error = None
        self.submitted_ns = self.started_ns = self.finished_ns = 0
        self.delivered_ns = 0
        self.done = False

    def complete(self) -> None:
        """Called when it is handed out, in the thread that reaps."""
        self.delivered_ns = time.monotonic_ns()
        self.done = True
