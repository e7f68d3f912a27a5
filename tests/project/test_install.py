"""`make install`: the command runs from there, and everything else is where a system looks for it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from simaccel.version import __version__
from tests.limits import WAIT_S
from tests.project.source import ROOT

pytestmark = [
    pytest.mark.in_ci,  # pip and its index take longer than all other tests of this folder
    pytest.mark.watchdog(900),
    pytest.mark.xdist_group("wheel_provider"),
]


def _install(*variables: str) -> subprocess.CompletedProcess[str]:
    """With this Python, from whose environment comes what the wheel asks for, too. That it can be installed is tested
    in test_wheel.py."""
    environment = os.environ | {"PIP_NO_DEPS": "1", "PIP_NO_COMPILE": "1", "PYTHONPATH": sysconfig.get_path("purelib")}
    command: list[str | Path] = ["make", "--silent", "-C", ROOT, "install", f"PYTHON={sys.executable}", *variables]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)


def test_everything_is_in_its_place_and_the_command_runs(wheel_with_provider: Path, tmp_path: Path) -> None:
    staged, prefix = tmp_path / "staged", tmp_path / "prefix"
    done = _install(f"DESTDIR={staged}", f"PREFIX={prefix}", f"WHEEL={wheel_with_provider}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not prefix.exists()
    staged.joinpath(*prefix.parts[1:]).rename(prefix)  # as a package does that is unpacked
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": sysconfig.get_path("purelib")}
    command: list[str | Path] = [prefix / "bin" / "simaccel", "openssl", "--module"]
    module = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(module.strip()).is_relative_to(prefix)
    assert (prefix / "lib" / "ossl-modules" / "simaccel.so").read_bytes() == Path(module.strip()).read_bytes()
    unit = (prefix / "lib" / "systemd" / "system" / "simaccel.service").read_text()
    assert f"ExecStart={prefix}/bin/simaccel serve " in unit
    assert "@" not in unit.replace("@system-service", "").replace("@privileged @resources", "").replace("@chown", "")
    assert __version__ in (prefix / "share" / "man" / "man1" / "simaccel.1").read_text()
    assert "complete -o default -F" in (prefix / "share/bash-completion/completions/simaccel").read_text()
    assert (prefix / "lib" / "sysusers.d" / "simaccel.conf").read_text().startswith("#")


@pytest.mark.parametrize("setting", ["PREFIX=usr", "DESTDIR=staged"])
def test_a_folder_that_is_no_whole_path(setting: str) -> None:
    done = _install(setting, "WHEEL=none.whl")
    assert done.returncode != 0
    assert f"{setting}: use a path that begins with /" in done.stderr
    assert not (ROOT / setting.partition("=")[2]).exists()
