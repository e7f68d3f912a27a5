"""The device goes away under load, and comes back: not one operation may be lost."""

from __future__ import annotations

import subprocess

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import Toolbox, finish


@pytest.mark.parametrize("mode", ["fd", "callback", "blocking"])
def test_killed_ten_times_under_load(toolbox: Toolbox, mode: str) -> None:
    device = DeviceProcess()
    address = device.address
    process = toolbox.start_jobs(address, mode, 16, 40_000, "ecdsa,x25519,rsa-pkcs1", entries=16)
    kills = 0
    try:
        while process.poll() is None and kills < 10:
            _wait_for_load(device, process)
            device.kill()
            kills += 1
            device = DeviceProcess(address)
        counted = finish(process)
    finally:
        process.kill()
        process.wait()
        device.close()
    assert counted["good"] == 40_000
    assert counted["gone"] > 0
    assert counted["connects"] > 1
    assert counted["offloaded"] + counted["software"] >= 40_000


def _wait_for_load(device: DeviceProcess, process: subprocess.Popen[str]) -> None:
    while process.poll() is None and device.stat()["completed"] < 100:
        pass


def test_killed_without_fallback_fails_only_what_it_took_along(toolbox: Toolbox) -> None:
    device = DeviceProcess()
    process = toolbox.start_jobs(device.address, "fd", 8, 20_000, "ecdsa", fallback="no")
    try:
        _wait_for_load(device, process)
        device.kill()
        counted = finish(process)
    finally:
        process.kill()
        process.wait()
    assert counted["good"] > 0
    assert counted["good"] + counted["errors"] == 20_000
    assert counted["errors"] == counted["err_status"] > 0
