"""The check behind every test sees what is left, and the watchdog ends what hangs: see tests/conftest.py."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine import pause_job, start_job
from engine.jobs.pause import block_pause
from engine.jobs.thread import LOCAL
from tests import few_plugins
from tests.conftest import FD_FOLDER, Held
from tests.engine.children import ROOT
from tests.limits import WAIT_S


@pytest.mark.skipif(not os.path.isdir(FD_FOLDER), reason="no list of fds here")
def test_an_open_fd_is_seen_also_under_a_number_that_was_taken_before() -> None:
    before = Held.now()
    fd = os.dup(2)
    assert [text.split(":")[0] for text in Held.now().more_than(before)] == [f"fd {fd}"]
    os.close(fd)
    assert Held.now().more_than(before) == []
    reading, writing = os.pipe()
    with_pipe = Held.now()
    os.dup2(2, writing)
    assert len(Held.now().more_than(with_pipe)) == 1
    os.close(reading)
    os.close(writing)


def test_a_thread_a_job_and_a_blocked_pause_are_seen() -> None:
    before, end = Held.now(), threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    job = start_job(pause_job)
    assert len(Held.now().more_than(before)) == 2
    end.set()
    thread.join()
    job.resume()
    assert Held.now().more_than(before) == []
    start_job(block_pause)
    assert Held.now().more_than(before) == ["block_pauses depth: 1, 0 before"]
    LOCAL.state.blocked = 0


def test_a_hang_ends_the_run_with_all_stacks(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text("from tests.conftest import *\n")
    (tmp_path / "test_hang.py").write_text(
        "import threading\n\ndef stuck_here():\n    threading.Event().wait()\n\ndef test_hang():\n    stuck_here()\n"
    )
    environment = {**os.environ, **few_plugins.variables(), "PYTHONPATH": str(ROOT), "SIMACCEL_WATCHDOG_SECONDS": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert ended.returncode != 0
    assert "Timeout" in ended.stderr
    assert "in stuck_here" in ended.stderr
