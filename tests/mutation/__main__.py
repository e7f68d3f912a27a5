"""Run the mutants of the core against the tests that belong to each file: `make mutants`, or with names of files.

Works in a copy of the tree, with one process for each folder of tests; what it does there is in `trying.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.results import Results

ROOT = Path(__file__).resolve().parents[2]
TESTS: dict[str, tuple[str, ...]] = {
    "tests/waitctx": ("waitctx/context.py", "waitctx/openssl.py"),
    "tests/sim": ("sim/ring.py", "sim/completion.py", "sim/submission.py", "sim/interrupt.py", "sim/worker.py"),
    "tests/engine": (
        "engine/offload/perform.py",
        "engine/offload/ring_full.py",
        "engine/offload/wakers.py",
        "engine/offload/context_wakers.py",
        "engine/offload/wake_fds.py",
        "engine/offload/slot_queue.py",
        "engine/offload/operation.py",
        "engine/offload/retry_setting.py",
        "engine/drivers/scheduler.py",
        "engine/drivers/ready_seats.py",
        "engine/drivers/seats.py",
        "engine/drivers/pump.py",
        "engine/drivers/retry_queue.py",
        "engine/drivers/waits_for.py",
        "engine/drivers/poller.py",
    ),
}
COPIED = ("hotpath", "waitctx", "sim", "engine", "simaccel", "provider", "tests", "pyproject.toml")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    every = [name for names in TESTS.values() for name in names]
    parser.add_argument("files", nargs="*", default=every)
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each file, by the seed; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="*", default=(), help="other tests than those that belong to the file")
    parser.add_argument("--slowest-s", type=float, default=0.0, help="leave out tests that take longer; 0 for none")
    parser.add_argument("--results", type=Path, help="keep them here; what it knows already is not tried again")
    parser.add_argument("--again", action="store_true", help="try those that survived again, such as with new tests")
    options = parser.parse_args()
    os.nice(5)
    status = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder) / "tree"
        results = (options.results or Path(folder) / "results").resolve()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy / name)
        for tests, names in TESTS.items():
            chosen = [name for name in names if name in options.files]
            if chosen:
                settings = {
                    "names": chosen,
                    "sample": options.sample,
                    "seed": options.seed,
                    "tests": list(options.tests) or [tests],
                    "slowest_s": options.slowest_s,
                    "results": str(results),
                    "again": options.again,
                }
                # The same random examples for each mutant; programs that tests start import the copy, too; and a mutant
                # is put into functions of Python, so nothing is compiled.
                environment = {**os.environ, "CI": "true", "PYTHONPATH": str(copy), "SIMACCEL_PURE": "1"}
                command = [sys.executable, "-m", "tests.mutation.trying", json.dumps(settings)]
                status |= subprocess.run(command, cwd=copy, env=environment, check=False).returncode
        for line in Results(results).summary(options.files):
            print(line)
    return status


if __name__ == "__main__":
    sys.exit(main())
