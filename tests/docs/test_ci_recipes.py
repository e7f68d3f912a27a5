"""docs/ci.md: each recipe has six lines or fewer, and does what the page says. test_action.py runs the Action."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests import few_plugins
from tests.bridge.conftest import require
from tests.bridge.tls import free_port, make_certificate
from tests.bridge.toolbox import Toolbox
from tests.docs.pages import ROOT, Block, blocks
from tests.limits import WAIT_S, patient_variables
from tests.shared import once

RECIPES = [block for block in blocks("yaml") if block.page == ROOT / "docs" / "ci.md"]
PYTEST, OPENSSL, ACTION, C_PROJECT = RECIPES


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("cc", "make", "openssl", "bash")
    return Toolbox.built_in(once(tmp_path_factory, "toolbox", Toolbox.build)).provider


def _run(block: Block, folder: Path, provider: Path | None = None, **replaced: str) -> subprocess.CompletedProcess[str]:
    """The last step, in a folder that is the project. That the first ones install simaccel, test_wheel.py tests."""
    step = block.text.rstrip().splitlines()[-1].partition("- run: ")[2]
    for old, new in replaced.items():
        assert old in step
        step = step.replace(old, new)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(folder),
        **few_plugins.variables(),
        **patient_variables(),
        **({} if provider is None else {"SIMACCEL_MODULE": str(provider)}),
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_it_is_short_and_installs_before_it_runs(recipe: Block) -> None:
    lines = recipe.text.splitlines()
    assert len(lines) <= 6
    assert "checkout" in lines[0]
    assert "pip install" in lines[1] or lines[1].endswith("/.github/actions/simaccel@main")


def test_pytest_alone(tmp_path: Path) -> None:
    text = "def test_mine(accel):\n    assert accel.run(accel.engine.call, 'echo', b'x') == b'x'\n"
    (tmp_path / "test_mine.py").write_text(text)
    done = _run(PYTEST, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "10 passed" in done.stdout


@pytest.mark.in_ci
def test_an_openssl_program(provider: Path, tmp_path: Path) -> None:
    _script(tmp_path / "run-my-tests", "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null")
    done = _run(OPENSSL, tmp_path, provider)
    assert done.returncode == 0, done.stderr
    assert "rsa-sign" in done.stderr
    _script(tmp_path / "run-my-tests", "true")
    assert _run(OPENSSL, tmp_path, provider).returncode == 125


def test_what_the_action_runs_is_what_the_program_alone_would_run() -> None:
    command = OPENSSL.text.rstrip().splitlines()[-1]
    for line in ACTION.text.splitlines()[3:]:
        assert line.partition(": ")[2] in command


@pytest.mark.in_ci
def test_a_c_project(provider: Path, tmp_path: Path) -> None:
    """One scenario of those that the recipe plays: tests/certify plays all. The probe waits for the limit,
    because this server takes one client at a time."""
    pem = make_certificate(tmp_path, "rsa")
    serve = f"exec openssl s_server -async -quiet -key {pem} -cert {pem} -accept 127.0.0.1:$2"
    _script(tmp_path / "my-server", serve)
    replaced = {"4433": str(free_port()), "server --connect": "server --scenario offload --limit 8 --connect"}
    done = _run(C_PROJECT, tmp_path, provider, **replaced)
    assert done.returncode == 0, done.stdout + done.stderr
    suites = ElementTree.parse(tmp_path / "certify.xml").getroot()
    assert [case.get("name") for case in suites.iter("testcase")] == ["offload"]
