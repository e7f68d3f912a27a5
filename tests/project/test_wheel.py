"""The built wheel, installed into an empty environment, used from an empty folder. Needs pip and its index."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from simaccel.version import __version__
from tests.project.source import PACKAGES, ROOT

pytestmark = [
    pytest.mark.in_ci,  # pip and its index take longer than all other tests of this folder
    pytest.mark.watchdog(900),
    pytest.mark.xdist_group("wheel"),
]


def run(*command: str | Path, folder: Path) -> str:
    """What it prints. Without the variables that would let it find this checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release is: the source archive first, and the wheel from that."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    assert len(list(folder.glob("simaccel-*.tar.gz"))) == 1
    (built,) = folder.glob("simaccel-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs' folder of an environment with nothing in it but the wheel and what it and the command ask for."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder, folder=folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[cli]", folder=folder)
    return folder / "bin"


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in PACKAGES:
        assert {f"{package}/__init__.py", f"{package}/py.typed"} <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {*PACKAGES, f"simaccel-{__version__}.dist-info"}
    assert f"simaccel-{__version__}.dist-info/licenses/LICENSE" in names
    assert f"simaccel-{__version__}.dist-info/sboms/simaccel.cdx.json" in names


def test_imports_come_from_the_wheel(installed: Path, tmp_path: Path) -> None:
    program = "import waitctx, sim, engine; print(waitctx.__file__, sim.__file__, engine.__file__, sep='\\n')"
    files = run(installed / "python", "-c", program, folder=tmp_path).split()
    assert len(files) == 3
    for file in files:
        assert str(installed.parent) in file
        assert (Path(file).parent / "py.typed").is_file()


def test_without_a_provider_it_is_for_any_machine_and_says_what_is_missing(
    wheel: Path, installed: Path, tmp_path: Path
) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    command, environment = (installed / "simaccel", "openssl", "--module"), {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        "this simaccel has no provider for libcrypto.so.3, to which openssl is linked, nor for any other" in done.stderr
    )


def test_version(installed: Path, tmp_path: Path) -> None:
    assert __version__ in run(installed / "simaccel", "--version", folder=tmp_path)


def test_a_small_run(installed: Path, tmp_path: Path) -> None:
    """The main job, which verifies each result itself and says so by its exit code."""
    out = run(installed / "simaccel", "run", "--count", "40", "--jobs", "4", "--op", "sha256", folder=tmp_path)
    assert "40" in out
    assert list(tmp_path.iterdir()) == []  # it leaves nothing behind


def test_the_library_without_the_command(installed: Path, tmp_path: Path) -> None:
    program = """
from engine import Engine, Scheduler
from sim import Accelerator
with Accelerator() as accel, Engine(accel) as engine, Scheduler() as scheduler:
    print([digest.hex()[:8] for digest in scheduler.map(engine.sha256, [b"", b"abc"])])
"""
    assert run(installed / "python", "-c", program, folder=tmp_path).strip() == "['e3b0c442', 'ba7816bf']"
