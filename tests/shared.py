"""`once`: builds something only once for a whole run, even if pytest-xdist runs the tests in several processes."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, build: Callable[[Path], object]) -> Path:
    """A folder with this name that `build` has filled, once for all processes of this run.

    The first process that asks builds it. The others wait, and get the same folder, which must not be changed after
    that. If `build` raises, so does this, and the next process that asks tries again with an empty folder.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # the base folder of a worker is inside of that of the run
    folder, built = base / name, base / f"{name}.built"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the lock is released when the file is closed
        if not built.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            built.touch()
    return folder
