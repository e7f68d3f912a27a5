"""Keeps the OpenSSL provider out of our own processes.

Python's OpenSSL, and the one that `cryptography` brings along, read the configuration that OPENSSL_CONF names, as any
program's does. A device with the provider in it would send its work to itself, and wait for itself; `simaccel run`
would measure the device process instead of the software. So a process of ours runs with an empty configuration.

By the time that our own code runs, an import may have read the configuration: asyncio brings ssl. What was loaded can't
be unloaded, so the process then begins anew.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from simaccel.cli.openssl_setup.exec_program import environment_of_caller

VARIABLE = "OPENSSL_CONF"
EMPTY = os.devnull
_MAPPED = Path("/proc/self/maps")
_MODULE = "/simaccel.so"


def keep_provider_out() -> None:
    """Makes this process, and those that it starts, use no OpenSSL configuration; may run the program anew.

    To be called before anything is done. Main thread only.
    """
    named = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = EMPTY
    if named != EMPTY and (named or _is_loaded()):
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment_of_caller())


def _is_loaded() -> bool:
    """Whether it is in this process already, by a configuration that no variable names: the system's own."""
    try:
        return _MODULE in _MAPPED.read_text(errors="replace")
    except OSError:  # no /proc here
        return False
