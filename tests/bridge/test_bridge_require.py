"""`simaccel openssl` where no device answers: a warning, or with `--require-device` an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simaccel.cli.exits import NO_DEVICE, USAGE
from simaccel.cli.openssl_setup.device_answers import why_no_device
from tests.bridge.commands import simaccel
from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.test_bridge_admission import NOBODY, device_of_nobody, in_child, needs_root
from tests.bridge.toolbox import Toolbox


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


def test_without_a_device_the_program_runs_with_a_warning(toolbox: Toolbox, marker: Path) -> None:
    address = fresh_address()
    done = simaccel("openssl", "--socket", address, "--", "touch", str(marker), SIMACCEL_MODULE=str(toolbox.provider))
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == (
        f"simaccel: warning: touch starts without a device: no device at {address}: Connection refused; "
        "start one with simaccel serve. A device in another container must have a path as its socket\n"
    )
    assert marker.exists()


def test_a_program_that_requires_a_device_is_not_started_without(toolbox: Toolbox, marker: Path) -> None:
    command = ("openssl", "--require-device", "--socket", fresh_address(), "--", "touch", str(marker))
    done = simaccel(*command, SIMACCEL_MODULE=str(toolbox.provider))
    assert (done.returncode, done.stdout) == (NO_DEVICE, "")
    assert done.stderr.startswith("simaccel: touch was not started: no device at ")
    assert done.stderr.count("\n") == 1
    assert not marker.exists()


@needs_root
def test_a_device_that_refuses_or_is_not_trusted_is_no_device(
    device: DeviceProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> bytes:
        os.setuid(NOBODY)
        return (why_no_device(device.address) or "it is one").encode()

    assert b"refused: user 65534 may not use this device" in in_child(ask)
    with device_of_nobody() as address:
        monkeypatch.delenv("SIMACCEL_TRUSTED_USERS", raising=False)
        assert "belongs to another user, 65534" in (why_no_device(address) or "")
        monkeypatch.setenv("SIMACCEL_TRUSTED_USERS", str(NOBODY))
        assert why_no_device(address) is None


def test_with_a_device_nothing_is_said(toolbox: Toolbox, device: DeviceProcess, marker: Path) -> None:
    command = ("openssl", "--require-device", "--socket", device.address, "--", "touch", str(marker))
    done = simaccel(*command, SIMACCEL_MODULE=str(toolbox.provider))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert marker.exists()


def test_it_is_for_programs_only(toolbox: Toolbox) -> None:
    done = simaccel("openssl", "--require-device", "--config", SIMACCEL_MODULE=str(toolbox.provider))
    assert done.returncode == USAGE
    assert "--require-device needs a program after --" in done.stderr
