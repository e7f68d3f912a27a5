"""A process that can't make threads any more, such as HAProxy's workers and Dovecot, uses the device all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import Toolbox
from tests.waiting import wait_until

COUNT = 300


@pytest.mark.parametrize("entries", [4, 128])
@pytest.mark.parametrize("jobs", [1, 16])
def test_jobs_pause_by_fd(toolbox: Toolbox, device: DeviceProcess, jobs: int, entries: int) -> None:
    counted = toolbox.run_jobs(device.address, "fd+", jobs, COUNT, entries=entries)
    assert counted["good"] == counted["offloaded"] == COUNT
    assert counted["pauses"] >= COUNT
    assert counted["software"] == counted["stray"] == 0
    assert (counted["eagains"] > 0) == (jobs > entries)
    report = device.stat()
    assert report["submitted"] == report["completed"] == COUNT + 5
    assert report["in_flight"] == 0


@pytest.mark.parametrize(("mode", "jobs"), [("blocking+", 1), ("callback+", 16)])
def test_a_job_that_can_not_be_woken_blocks(toolbox: Toolbox, device: DeviceProcess, mode: str, jobs: int) -> None:
    counted = toolbox.run_jobs(device.address, mode, jobs, COUNT)
    assert counted["good"] == counted["offloaded"] == COUNT
    assert counted["pauses"] == counted["software"] == 0
    assert sum(device.stat()["by_op"].values()) == COUNT


def test_jobs_given_up_free_their_slots(toolbox: Toolbox, device: DeviceProcess) -> None:
    counted = toolbox.run_jobs(device.address, "fd+", 32, 900, "rsa-pkcs1,ecdsa", "3", entries=16)
    assert counted["abandoned"] == 300
    assert counted["good"] == counted["offloaded"] == 600
    assert device.stat()["in_flight"] == 0


@pytest.mark.parametrize("mode", ["fd+", "callback+"])
def test_sanitizers_find_nothing(
    sanitized: Toolbox, device: DeviceProcess, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")  # the search for leaks makes a thread
    counted = sanitized.run_jobs(device.address, mode, 8, COUNT, entries=4)
    assert counted["offloaded"] == COUNT


@pytest.mark.parametrize(
    ("fault", "seen_by", "short"),
    [("lost", "expired", {"deadline_ms": 100}), ("dies", "gone", {}), ("wild_index", "gone", {"deadline_ms": 10_000})],
)
def test_a_faulty_device_is_noticed(toolbox: Toolbox, fault: str, seen_by: str, short: dict[str, int]) -> None:
    device = DeviceProcess(None, fault, module="tests.bridge.faulty_device")
    try:
        counted = toolbox.run_jobs(device.address, "fd+", 8, COUNT, "ecdsa,x25519", entries=16, **short)
    finally:
        device.kill()
    assert counted["good"] == COUNT
    assert counted[seen_by] > 0


def test_threads_that_block_need_no_other(toolbox: Toolbox, device: DeviceProcess) -> None:
    process = toolbox.start_jobs(device.address, "blocking", 4, 1_000_000, "rsa-pkcs1")
    try:
        wait_until(lambda: device.stat()["completed"] >= 50 and len(_threads(process.pid)) >= 5, process)
        names = _threads(process.pid)
    finally:
        process.kill()
        process.communicate()
    assert len(names) == 5
    assert "simaccel" not in names


def _threads(pid: int) -> list[str]:
    return [(task / "comm").read_text().strip() for task in Path(f"/proc/{pid}/task").iterdir()]
