"""Keeps the OpenSSL provider out of our own processes.

Python's OpenSSL, and the one that comes with `cryptography`, read the configuration that OPENSSL_CONF names, as every
program's OpenSSL does. A device process with the provider in it would send its work to itself and wait for ever, and
`simaccel run` would measure a device process instead of the software. So a process of ours uses an empty configuration.

An import may have read the configuration before our own code runs (asyncio imports ssl). A provider that was loaded
can't be unloaded, so the process then starts its program again.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from simaccel.cli.openssl_setup.exec_program import environment_of_caller

VARIABLE = "OPENSSL_CONF"
EMPTY = os.devnull
_MAPPED = Path("/proc/self/maps")
_MODULE = "/simaccel.so"


def keep_provider_out() -> None:
    """Make this process and its children use no OpenSSL configuration. May start the program again.

    Call it before anything else is done. Main thread only.
    """
    named = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = EMPTY
    if named != EMPTY and (named or _is_loaded()):
        # Ctrl-C stays blocked until the new program can handle it: see simaccel.cli.early_interrupt.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment_of_caller())


def _is_loaded() -> bool:
    """Whether the provider was already loaded by the system's own configuration, which no variable names."""
    try:
        return _MODULE in _MAPPED.read_text(errors="replace")
    except OSError:  # no /proc here
        return False
