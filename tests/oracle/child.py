"""Runs something that may crash libcrypto in a child process, and says how the child ended.

    python -m tests.oracle.child module:function

calls that function and prints what it returns.
"""

from __future__ import annotations

import importlib
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable

from tests.oracle.libcrypto import load

TIMEOUT_S = 60
"""The limit for a child that hangs, because undefined behaviour may also be a hang."""


def how_it_ends(function: Callable[[], object]) -> str:
    """The signal that ended the child ('SIGSEGV'), 'hangs', or else what the function returned, as text."""
    load()  # so that a missing libcrypto is reported here, and not in the child
    name = f"{function.__module__}:{function.__qualname__}"
    # The allocator overwrites what is freed, so that a use after free shows itself in the same way each time.
    environment = {**os.environ, "MALLOC_PERTURB_": "165"}
    try:
        child = subprocess.run(
            [sys.executable, "-m", "tests.oracle.child", name],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    if child.returncode < 0:
        return signal.Signals(-child.returncode).name
    if child.returncode != 0:
        raise RuntimeError(f"{name} failed in the child:\n{child.stdout}{child.stderr}")
    return child.stdout.strip()


def main(name: str) -> None:
    """What the child does."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # we want the crash, but no core file
    module, _, function = name.partition(":")
    print(getattr(importlib.import_module(module), function)(), flush=True)
    os._exit(0)  # libcrypto's own clean-up at exit could crash on what was corrupted, and hide which call crashed


if __name__ == "__main__":
    main(sys.argv[1])
