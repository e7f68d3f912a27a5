"""A client that keeps a device busy, as a process of its own: `python -m tests.watching.load ADDRESS DEPTH JOBS`."""

from __future__ import annotations

import sys

from engine import Engine, EngineError, Scheduler
from simaccel.bridge import connect


def main() -> None:
    """Hashes until it is killed."""
    address, depth, jobs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with connect(address, depth=depth) as accel, Engine(accel, "fd") as engine, Scheduler() as scheduler:

        def body() -> None:
            while True:
                try:
                    engine.sha256(b"load")
                except EngineError as error:
                    if accel.closed or "device" not in str(error):
                        raise

        for _ in range(jobs):
            scheduler.spawn(body)
        scheduler.run()


if __name__ == "__main__":
    main()
