"""The C programs of the benchmarks compile: they include headers of the provider, and no other test runs them all."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.limits import WAIT_S

ROOT = Path(__file__).parents[2]
PROGRAMS = sorted([*ROOT.glob("benchmarks/**/*.c"), *ROOT.glob("simaccel/bench/**/*.c")])


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_they_compile_without_a_warning() -> None:
    assert len(PROGRAMS) >= 5
    flags = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", "-fsyntax-only"]
    done = subprocess.run(["cc", *flags, *PROGRAMS], capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
