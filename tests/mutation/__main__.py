"""Run the mutants of the core against the tests that belong to each file: `make mutants`, or with names of files.

    python -m tests.mutation [--sample N] [--seed S] [--limit-s T] [sim/ring.py ...]

Works in a copy of the tree. A mutant is killed by a test that fails, or by one that does not end within the limit.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation.mutants import Mutant, mutants_of

ROOT = Path(__file__).resolve().parents[2]
TESTS: dict[str, str] = {
    "waitctx/context.py": "tests/waitctx",
    "sim/ring.py": "tests/sim",
    "sim/submission.py": "tests/sim",
    "sim/completion.py": "tests/sim",
    "sim/interrupt.py": "tests/sim",
    "sim/worker.py": "tests/sim",
    "engine/offload/operation.py": "tests/engine",
    "engine/offload/perform.py": "tests/engine",
    "engine/offload/wakers.py": "tests/engine",
    "engine/offload/slot_queue.py": "tests/engine",
    "engine/offload/wake_fds.py": "tests/engine",
    "engine/drivers/scheduler.py": "tests/engine",
    "engine/drivers/seats.py": "tests/engine",
    "engine/drivers/wakeups.py": "tests/engine",
    "engine/drivers/eagain.py": "tests/engine",
}
COPIED = ("waitctx", "sim", "engine", "simaccel", "tests", "pyproject.toml")


def killed(copy: Path, tests: str, limit_s: float) -> bool:
    """Whether the tests fail, or do not end, in the copy as it is now."""
    command = [sys.executable, "-B", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", tests]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "CI": "true"}  # the same random examples for each mutant
    with subprocess.Popen(command, cwd=copy, env=environment, start_new_session=True, **quiet) as process:  # type: ignore[call-overload]
        try:
            return bool(process.wait(limit_s))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return True


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation")
    parser.add_argument("files", nargs="*", default=list(TESTS))
    parser.add_argument("--sample", type=int, default=0, help="so many mutants of each file, by the seed; 0 for all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-s", type=float, default=300.0)
    parser.add_argument("--tests", default="", help="other tests than those that belong to the file")
    options = parser.parse_args()
    os.nice(10)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = Path(folder)
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy / name)
        for name in options.files:
            source = (ROOT / name).read_text()
            tests = options.tests or TESTS[name]
            if killed(copy, tests, options.limit_s):
                print(f"{name}: its tests fail without any mutant", flush=True)
                return 1
            mutants = mutants_of(source)
            if options.sample and len(mutants) > options.sample:
                chosen = random.Random(options.seed).sample(range(len(mutants)), options.sample)
                mutants = [mutants[index] for index in sorted(chosen)]
            survivors: list[Mutant] = []
            for mutant in mutants:
                (copy / name).write_text(mutant.text)
                if not killed(copy, tests, options.limit_s):
                    survivors.append(mutant)
                    print(f"{name}:{mutant.line}: {mutant.what}", flush=True)
            (copy / name).write_text(source)
            print(f"{name}: {len(survivors)} of {len(mutants)} survived", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
