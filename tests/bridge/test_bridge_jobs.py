"""jobs.c, a C program that verifies every result: woken by fd, by callback, and blocking."""

from __future__ import annotations

import pytest

from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.toolbox import Toolbox

COUNT = 600


@pytest.mark.parametrize("entries", [4, 128])
@pytest.mark.parametrize("mode", ["fd", "callback", "blocking"])
def test_every_result_is_right(toolbox: Toolbox, device: DeviceProcess, mode: str, entries: int) -> None:
    counted = toolbox.run_jobs(device.address, mode, 16, COUNT, entries=entries)
    assert counted["good"] == counted["offloaded"] == COUNT
    assert counted["software"] == counted["stray"] == 0
    assert (counted["pauses"] >= COUNT) == (mode != "blocking")
    assert counted["blocked"] == (COUNT if mode == "blocking" else 0)
    if mode != "blocking":
        assert (counted["full"] > 0) == (entries == 4)
        assert (counted["eagains"] > 0) == (entries == 4)
    report = device.stat()
    # Loading the keys: RSA and its namesakes three times, EC and Ed25519 once each.
    assert report["submitted"] == report["completed"] == COUNT + 5
    assert sum(report["by_op"].values()) == COUNT
    assert report["in_flight"] == 0


@pytest.mark.parametrize("mode", ["fd", "callback", "blocking"])
def test_sanitizers_find_nothing(sanitized: Toolbox, device: DeviceProcess, mode: str) -> None:
    counted = sanitized.run_jobs(device.address, mode, 8, 300, entries=4)
    assert counted["offloaded"] == 300


@pytest.mark.parametrize("mode", ["fd", "callback"])
def test_connections_closed_while_paused_free_their_slots(toolbox: Toolbox, device: DeviceProcess, mode: str) -> None:
    # Every third of 900 operations is given up, in a ring of 16: without the freeing it would hang after 48.
    counted = toolbox.run_jobs(device.address, mode, 32, 900, "rsa-pkcs1,ecdsa", "3", entries=16)
    assert counted["abandoned"] == 300
    assert counted["good"] == counted["offloaded"] == 600
    # Some were given up before they were submitted, while they waited for a slot.
    assert 0 < counted["orphaned"] <= 300
    assert device.stat()["in_flight"] == 0


def test_parent_and_child_each_have_their_connection(sanitized: Toolbox, device: DeviceProcess) -> None:
    counted = sanitized.run_jobs(device.address, "fork", 4, 60)
    assert counted["good"] == 60
    assert counted["offloaded"] == 120
    assert counted["connects"] == 1
    report = device.stat()
    assert report["connects"] == 2
    assert sum(report["by_op"].values()) == 180
    assert report["in_flight"] == 0


def test_without_a_device_all_is_software(toolbox: Toolbox) -> None:
    counted = toolbox.run_jobs(fresh_address(), "fd", 8, 60)
    assert counted["good"] == counted["software"] == 60
    assert counted["pauses"] == counted["connects"] == 0


def test_without_a_device_and_fallback_all_are_errors(toolbox: Toolbox) -> None:
    counted = toolbox.run_jobs(fresh_address(), "fd", 8, 60, fallback="no")
    assert counted["errors"] == counted["err_status"] == 60


def test_only_the_operations_that_are_configured(toolbox: Toolbox, device: DeviceProcess) -> None:
    counted = toolbox.run_jobs(device.address, "fd", 8, 60, operations="ecdsa, x25519")
    assert counted["good"] == 60
    assert counted["offloaded"] == 20
    assert counted["unsupported"] == counted["software"] == 40
    assert device.stat()["by_op"] == {"ecdsa-sign": 10, "x25519": 10}
