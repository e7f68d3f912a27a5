"""docs/openssl.md: what it tells a newcomer to type does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.bridge.device import fresh_address
from tests.bridge.tls import free_port
from tests.bridge.toolbox import Toolbox
from tests.docs.pages import ROOT, blocks
from tests.limits import WAIT_S, patient_variables
from tests.shared import once

PAGE = ROOT / "docs" / "openssl.md"


def _lines(language: str) -> list[str]:
    (block,) = (block for block in blocks(language) if block.page == PAGE)
    return block.text.splitlines()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("cc", "make", "openssl", "bash")
    return Toolbox.built_in(once(tmp_path_factory, "toolbox", Toolbox.build)).provider


def _bash(lines: list[str], folder: Path, provider: Path) -> str:
    """What a shell prints that is given these lines, without the device that they start in the background."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(ROOT),
        "SIMACCEL_MODULE": str(provider),
        "SIMACCEL_SOCKET": fresh_address(),
        "TMPDIR": str(folder),
        **patient_variables(),
    }
    script = "\n".join(["trap 'kill $(jobs -p); wait' EXIT", "set -e", *lines])
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_a_newcomer_sees_a_handshake_counted(provider: Path, tmp_path: Path) -> None:
    install, build, *rest = _lines("sh")
    assert install.startswith("apt-get install ")
    assert build == "make .venv/.ready provider && . .venv/bin/activate"
    assert len(rest) + 2 <= 10
    port = str(free_port())
    out = _bash([line.replace("4433", port) for line in rest], tmp_path, provider)
    last = out[out.rindex("device ") :]
    assert re.search(r"^  rsa-sign +1$", last, re.MULTILINE)
    assert re.search(r"^  x25519 +1$", last, re.MULTILINE)


def test_the_packages_it_names_are_those_that_ci_installs() -> None:
    named = set(_lines("sh")[0].split()[2:])
    ci = (ROOT / ".ci" / "run").read_text()
    assert named - {"make", "python3-venv"} <= set(re.findall(r"[\w.-]+", ci))
