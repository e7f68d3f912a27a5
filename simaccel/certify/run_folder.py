"""The folder of a run, for configurations, output and the driver. It goes with the run.

After kill -9 nobody can remove it. So each run holds a lock on its folder, which the kernel releases however the run
ends, and removes the folders of earlier runs that hold none.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "simaccel-certify-"


@contextmanager
def run_folder() -> Iterator[Path]:
    """A new folder, which others may read: a server may turn into another user before it reads its configuration."""
    sweep()
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        lock = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            Path(name).chmod(0o755)
            yield Path(name)
        finally:
            os.close(lock)


def sweep() -> None:
    """Remove the folders of our user's runs that have ended without removing theirs."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):  # somebody else's, or another process removes it just now
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                # A run makes its folder for itself alone, and opens it to others once it holds the lock.
                found = os.fstat(lock)
                if found.st_uid == os.geteuid() and found.st_mode & 0o777 == 0o755:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
