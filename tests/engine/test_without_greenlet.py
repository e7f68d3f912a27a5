"""Where greenlet is not installed: `import engine` works, with coroutine jobs alone. In a child without greenlet."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.limits import WAIT_S

PROGRAM = """
import sys
sys.modules["greenlet"] = None  # what import then raises is an ImportError, as if it were not installed
from engine import Engine, Scheduler, UsageError, start_job
from sim import Accelerator

with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
    async def stackless():
        return await engine.aio.sha256(b"abc")

    async def started():
        return 7

    def stackful():
        return engine.sha256(b"abc")

    job = scheduler.spawn(stackless)
    scheduler.run()
    print(job.result().hex()[:8])
    print(start_job(started).result())
    for start in (start_job, scheduler.spawn):
        try:
            start(stackful)
        except UsageError as error:
            print(str(error).partition("> ")[2])
    # The failed starts have taken nothing.
    job = scheduler.spawn(stackless)
    scheduler.run()
    print(job.result().hex()[:8])
"""


def test_coroutine_jobs_run_and_a_plain_function_is_refused_with_the_cure() -> None:
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    refused = "is a plain function, and runs as a job only with greenlet: pip install greenlet, or make it an async def"
    assert done.stdout.splitlines() == ["ba7816bf", "7", refused, refused, "ba7816bf"]
