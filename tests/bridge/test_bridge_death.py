"""The device is killed under load and started again: no operation is lost."""

from __future__ import annotations

import subprocess

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import Toolbox, end_jobs
from tests.effort import pick, some
from tests.waiting import wait_until

KILLS = pick(2, 5, 5)


@pytest.mark.parametrize("mode", some(["fd", "callback", "blocking"], 1))
def test_killed_again_and_again_under_load(toolbox: Toolbox, mode: str) -> None:
    device = DeviceProcess()
    address = device.address
    process = toolbox.start_jobs(address, mode, 16, 0, "ecdsa,x25519,rsa-pkcs1", entries=16)
    try:
        for _ in range(KILLS):
            _wait_for_load(device, process)
            device.kill()
            device = DeviceProcess(address)
        _wait_for_load(device, process)
        counted = end_jobs(process)
    finally:
        process.kill()
        process.wait()
        device.close()
    assert counted["good"] == counted["wanted"]
    assert counted["gone"] > 0
    assert counted["connects"] >= 1 + KILLS
    assert counted["offloaded"] + counted["software"] >= counted["wanted"]


def _wait_for_load(device: DeviceProcess, process: subprocess.Popen[str]) -> None:
    """Until the device has completed 100 operations."""
    wait_until(lambda: device.stat()["completed"] >= 100, process)


def test_killed_without_fallback_fails_only_what_it_took_along(toolbox: Toolbox) -> None:
    device = DeviceProcess()
    process = toolbox.start_jobs(device.address, "fd", 8, 0, "ecdsa", fallback="no")
    try:
        _wait_for_load(device, process)
        device.kill()
        counted = end_jobs(process)
    finally:
        process.kill()
        process.wait()
    assert counted["good"] > 0
    assert counted["good"] + counted["errors"] == counted["wanted"]
    assert counted["errors"] == counted["err_status"] > 0
