"""A wheel with the provider in it, for all tests that install one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.conftest import require
from tests.project.source import ROOT
from tests.project.test_wheel import run


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of what git knows, so that nothing is in it that was built here."""
    require("cc", "make", "openssl", "git")
    folder = tmp_path_factory.mktemp("checkout") / "simaccel"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    for name in listed.stdout.split("\0")[:-1]:
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def wheel_with_provider(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in the checkout after `make provider`. Tests that take it are of the group `wheel_provider`."""
    run("make", "-C", checkout, "provider", folder=checkout)
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, checkout, folder=folder)
    (built,) = folder.glob("simaccel-*.whl")
    return built
