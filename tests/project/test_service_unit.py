"""packaging/simaccel.service: systemd takes it and finds it safe, and a device can do its work within its limits.

There is no systemd that runs where these tests do. So what the unit forbids is compared with what a device does.
`service_under_systemd.sh` boots one.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine import Engine
from simaccel.bridge import connect
from tests.bridge.conftest import require
from tests.limits import WAIT_S
from tests.project.source import ROOT

UNIT = ROOT / "packaging" / "simaccel.service"


def _analyze(*arguments: str | Path) -> str:
    require("systemd-analyze")
    command = ["systemd-analyze", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """As `make install` writes it, but for the program: systemd wants to see that."""
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text().replace("@PREFIX@/bin/simaccel", "/bin/true"))
    return path


def test_systemd_takes_every_line(unit: Path) -> None:
    assert _analyze("verify", "--man=no", unit) == ""


def test_a_line_that_systemd_does_not_know_is_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("PrivateTmp=", "PrivateTemp="))
    assert "PrivateTemp" in _analyze("verify", "--man=no", unit)


def test_systemd_finds_little_exposed(unit: Path) -> None:
    """The exposure in tenths: 10 of 100 is the most that systemd calls safe."""
    assert "SAFE" in _analyze("security", "--offline=yes", "--threshold=10", unit)


def test_a_device_stays_within_what_the_unit_allows(tmp_path: Path) -> None:
    require("strace")
    calls = tmp_path / "calls"
    address = str(tmp_path / "simaccel.sock")
    words = [sys.executable, "-m", "simaccel", "serve", "--socket", address, "--workers", "2", "--group", "0"]
    with subprocess.Popen(["strace", "-f", "-o", calls, *words], stdout=subprocess.PIPE, text=True) as traced:
        try:
            assert traced.stdout is not None
            assert traced.stdout.readline() == f"serving at {address}\n"
            with connect(address) as accel, Engine(accel) as engine:
                assert engine.call("sha256", b"abc").hex().startswith("ba7816bf")
        finally:
            os.kill(int(calls.read_text().split()[0]), signal.SIGTERM)
        assert traced.wait(WAIT_S) == 0
    text = calls.read_text()
    made = set(re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE))
    assert {"memfd_create", "recvmsg", "epoll_wait"} & made
    assert sorted(made - _allowed()) == []
    assert not re.findall(r"\w+\(.*PROT_WRITE\|PROT_EXEC", text), "MemoryDenyWriteExecute forbids it"
    assert set(re.findall(r"socket\((\w+)", text)) == {"AF_UNIX"}


def _allowed() -> set[str]:
    """What the lines SystemCallFilter come to: each adds to those before it, or with ~ takes away."""
    allowed = _calls("@default")  # systemd adds these to every list
    for tilde, names in re.findall(r"^SystemCallFilter=(~?)(.*)$", UNIT.read_text(), re.MULTILINE):
        for name in names.split():
            calls = _calls(name) if name.startswith("@") else {name}
            allowed = allowed - calls if tilde else allowed | calls
    return allowed


def _calls(group: str) -> set[str]:
    """All system calls of a set, with those of the sets in it."""
    found: set[str] = set()
    for word in re.findall(r"^ +([@\w-]+)$", _analyze("syscall-filter", group), re.MULTILINE):
        found |= _calls(word) if word.startswith("@") else {word}
    return found
