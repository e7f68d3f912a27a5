"""`python -m simaccel.bridge ADDRESS [WORKERS]`: a device process with no options, for tests and benchmarks."""

from __future__ import annotations

import os
import sys

from simaccel.bridge.device.server import Server
from simaccel.bridge.device.stop_signals import stopped_by_signals


def main() -> None:
    """Serves until SIGTERM or SIGINT. Prints one line when it is ready."""
    if os.environ.get("OPENSSL_CONF", os.devnull) != os.devnull:
        # libcrypto has read that file during the imports above, and it may have loaded the provider. The device would
        # then be its own client. So start again without it.
        os.environ["OPENSSL_CONF"] = os.devnull
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    address = sys.argv[1]
    workers = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with Server(address, workers=workers) as server, stopped_by_signals(server.stop):
        print(f"serving at {address}", flush=True)
        server.serve()


main()
