"""`device_process`: a device process for as long as a `with` lasts."""

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
    """Starts a device process with this many workers. Yields its address, for `simaccel.connect` and SIMACCEL_SOCKET.

    At the end it stops the process and waits for it. Raises RuntimeError if the process does not start; stderr says
    why. Blocks while it starts and ends.
    """
    address = f"@simaccel-{os.getpid()}-{next(_serial)}"
    command = [sys.executable, "-m", "simaccel.bridge", address, str(workers)]
    # With the provider loaded the device would be its own client.
    environment = dict(os.environ, OPENSSL_CONF=os.devnull)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment) as process:
        try:
            assert process.stdout is not None
            if not process.stdout.readline():
                raise RuntimeError(f"the device process did not start: exit code {process.wait()}; stderr says why")
            yield address
        finally:
            process.terminate()
