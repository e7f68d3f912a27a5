"""A device of a version without ML-DSA and ML-KEM: `python -m tests.bridge.older_device ADDRESS`."""

from __future__ import annotations

import signal
import sys

from simaccel.bridge.device import decode as decode_module
from simaccel.bridge.device import key_table as key_module
from simaccel.bridge.device import server as server_module
from simaccel.bridge.wire import Opcode

_NEWER = frozenset(code for code in Opcode if code.name.startswith("ML_"))
_OLDER_KEYS = 3
"""RSA, EC and Ed25519, the first of the types of keys."""


def main() -> None:
    """Serves until SIGTERM."""
    for name in ("_PLAIN", "_SEALED"):
        rows = vars(decode_module)[name]
        vars(decode_module)[name] = {code: row for code, row in rows.items() if code not in _NEWER}
    vars(key_module)["_LOADABLE"] = vars(key_module)["_LOADABLE"][:_OLDER_KEYS]
    with server_module.Server(sys.argv[1]) as server:
        for name in [name for name in server.kernels.by_name if name.startswith("ml-")]:
            del server.kernels.by_name[name]
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        print(f"serving at {sys.argv[1]}", flush=True)
        server.serve()


if __name__ == "__main__":
    main()
