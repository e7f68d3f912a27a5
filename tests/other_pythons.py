"""The other Pythons that simaccel supports and that are found here, each with an environment of its own: .venv-3.N.

Versions of Python differ in threads, forks, signals and the end of the interpreter. So the other Pythons run only the
core's tests of these. A Python is found as python3.N on the path, or as a version of pyenv. If none is found, there is
nothing to run, and one line says so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
SUPPORTED = (11, 12, 13, 14)
"""The minor versions of Python 3."""

ARGUMENTS = ["-q", "-n", "auto", "-p", "no:cacheprovider"]
TESTS = [
    "tests/waitctx",
    "tests/testing/test_interrupting.py",
    "tests/project/test_loops_in_try.py",
    *(
        f"tests/sim/test_{name}.py"
        for name in (
            *("accelerator_close", "accelerator_processes", "interrupted", "ring_cases_ends", "trace", "worker"),
            "worker_crash",
        )
    ),
    *(
        f"tests/engine/test_{name}.py"
        for name in (
            *("aio", "engine_ends", "fork", "interpreter_exit", "jobs", "jobs_cancel", "jobs_left", "jobs_pool"),
            *("scheduler", "scheduler_ends", "threads", "wakes"),
        )
    ),
]

VARIABLES: Mapping[str, str] = {f"SIMACCEL_PYTHON_3_{sys.version_info[1]}": sys.executable}
"""For these tests, besides those that are set: tests of traces compare with this Python."""


def environments() -> Iterator[tuple[str, Path]]:
    """A title and a Python with everything installed, for each other Python that is found."""
    own = sys.version_info[1]
    found = [(minor, python) for minor in SUPPORTED if minor != own and (python := find(minor)) is not None]
    if not found:
        looked_for = ", ".join(f"3.{minor}" for minor in SUPPORTED if minor != own)
        print(f"== no other Python found ({looked_for}), so the core's tests run under none", flush=True)
    for minor, python in found:
        yield f"the core's tests under Python 3.{minor}: {python}", _installed(minor, python)


def find(minor: int) -> Path | None:
    """Python 3.`minor` of this machine, or None."""
    candidates = [Path(on_path)] if (on_path := shutil.which(f"python3.{minor}")) else []
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv", "versions")
    candidates += sorted(versions.glob(f"3.{minor}.*/bin/python"), reverse=True)
    for python in candidates:
        # pyenv has a shim on the path even for versions that were not chosen. That shim says so and fails.
        if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0:
            return python
    return None


def _installed(minor: int, python: Path) -> Path:
    """The Python of an environment with simaccel and what its tests need. It is made again when pyproject.toml changes.

    If it can't be made, this is the path of a Python that can't run pytest, so that the call of pytest counts as
    failed.
    """
    folder = ROOT / f".venv-3.{minor}"
    ready, own = folder / ".ready", folder / "bin" / "python"
    if not ready.exists() or ready.stat().st_mtime < (ROOT / "pyproject.toml").stat().st_mtime:
        print(f"== making a virtual environment in {folder.name} (some 20 seconds)", flush=True)
        install = [str(own), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--editable", ".[test]"]
        if all(_run(command) for command in ([str(python), "-m", "venv", str(folder)], install)):
            ready.touch()
    return own


def _run(command: Sequence[str]) -> bool:
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
