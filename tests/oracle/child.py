"""Run something that may crash libcrypto in a child process, and say how it ended.

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
"""Only against a child that hangs for ever: undefined behaviour can be that, too."""


def how_it_ends(function: Callable[[], object]) -> str:
    """The signal that ended the child ('SIGSEGV'), 'hangs', or else what the function returned, as text."""
    load()  # says here, not in the child, if there is no libcrypto
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
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # crashes are wanted here, core files are not
    module, _, function = name.partition(":")
    print(getattr(importlib.import_module(module), function)(), flush=True)
    os._exit(0)  # libcrypto's own clean-up at exit would trip over what was corrupted, and blame the wrong call


if __name__ == "__main__":
    main(sys.argv[1])
