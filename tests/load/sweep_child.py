"""`simaccel` in a process of its own, which kills a worker of its sweep when the first rows have come."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Sequence

from simaccel.cli import main
from simaccel.load.sweep_folder import SweepFolder
from simaccel.load.sweep_grid import Row

add = SweepFolder.add
killed: list[multiprocessing.process.BaseProcess] = []


def add_and_kill(folder: SweepFolder, rows: Sequence[Row]) -> int:
    """Both kinds of workers are children of this process: those of the pool, and those of a local cluster."""
    if not killed:
        killed.append(multiprocessing.active_children()[0])
        killed[0].kill()
    return add(folder, rows)


if __name__ == "__main__":
    setattr(SweepFolder, "add", add_and_kill)  # noqa: B010  # mypy sees that it is a method
    code = main(sys.argv[1:])
    assert killed
    sys.exit(code)
