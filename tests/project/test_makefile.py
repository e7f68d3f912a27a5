"""What the targets of the Makefile do, from what `make` says that it would do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.limits import WAIT_S
from tests.project.source import ROOT

COMPILE, CYTHON = "-m hotpath.build", "import Cython"


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """An environment in which all is installed."""
    require("make")
    for stamp in (".made", ".ready", ".ready-dev", ".ready-ci", ".ready-bench"):
        (tmp_path / stamp).touch()
    return tmp_path


def would_do(ready: Path, *words: str) -> str:
    command = [
        "make",
        "--dry-run",
        "--no-print-directory",
        "-C",
        str(ROOT),
        f"VENV={ready}",
        f"PYTHON={sys.executable}",
        *words,
    ]
    # The make that runs these tests hands its variables, such as TESTS, to each make below it.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MAKE", "MFLAGS", "TESTS", "SIMACCEL_EFFORT"))
    }
    run = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=True, env=environment)
    return run.stdout


def test_run_waits_for_no_compiler_and_says_what_ran(ready: Path) -> None:
    done = would_do(ready, "run")
    assert COMPILE not in done
    assert done.index("simaccel run") < done.index("hotpath.RUNNING")


@pytest.mark.parametrize("words", [[], ["hot"], ["bench"], ["test", "TESTS=here compiled others"]], ids=" ".join)
def test_what_uses_the_compiled_hot_path_compiles_it(ready: Path, words: list[str]) -> None:
    done = would_do(ready, *words)
    assert done.index(CYTHON) < done.index(COMPILE)


@pytest.mark.parametrize("words", [["test"], ["thorough"]], ids=" ".join)
def test_tests_in_python_do_not(ready: Path, words: list[str]) -> None:
    assert COMPILE not in would_do(ready, *words)


def test_run_installs_what_it_needs_alone(tmp_path: Path) -> None:
    installs = [line for line in would_do(tmp_path, "run").splitlines() if "pip install" in line]
    assert len(installs) == 1
    assert installs[0].endswith(" --no-compile --editable '.[cli]'")


def test_a_wheel_takes_nothing_but_what_every_new_clone_has(tmp_path: Path) -> None:
    done = would_do(tmp_path, "wheel")
    assert set(re.findall(r"--editable ('\S+')", done)) == {"'.[cli]'", "'.[compile]'"}
    assert done.splitlines()[-1].endswith(
        " -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist ."
    )


@pytest.mark.parametrize(
    ("words", "extra"),
    [(["test"], "dev"), (["check", "SIMACCEL_EFFORT=ci"], "ci"), (["thorough"], "ci"), (["lint", "test"], "dev")],
)
def test_the_tests_install_all_at_once(tmp_path: Path, words: list[str], extra: str) -> None:
    """By uv, or if that fails by pip."""
    done = would_do(tmp_path, *words)
    assert re.findall(r"--editable (\S+)", done) == [f"'.[{extra}]'"] * 2
    assert "/uv pip install" in done
    assert done.count("-m venv") == 1


def test_two_calls_of_pip_are_never_made_at_a_time(tmp_path: Path) -> None:
    """Each target that installs ends before the next one begins, also with --jobs."""
    assert "\n.NOTPARALLEL:\n" in (ROOT / "Makefile").read_text()
    assert would_do(tmp_path, "--jobs=4", "test", "TESTS=compiled").count("-m venv") == 1
