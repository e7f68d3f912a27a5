"""A device process of one's own, for as long as a `with` lasts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

_serial = count(1)


@contextmanager
def device_process(workers: int = 1) -> Iterator[str]:
    """Start a device process with so many workers; its address, for `simaccel.connect` and SIMACCEL_SOCKET.

    At the end the process is stopped and waited for. RuntimeError if it does not come up; what it said is on stderr.
    """
    address = f"@simaccel-{os.getpid()}-{next(_serial)}"
    command = [sys.executable, "-m", "simaccel.bridge", address, str(workers)]
    # With the provider in it the device would be its own client.
    environment = dict(os.environ, OPENSSL_CONF=os.devnull)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError(f"the device process did not come up: exit code {process.wait()}")
            yield address
        finally:
            process.terminate()
