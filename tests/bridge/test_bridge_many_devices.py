"""`socket = a, b, c`: a program that uses several devices. One that is killed or stalls under load costs no operation.

With `fallback=no` nothing can hide in software: an operation that no device has done is an error.
"""

from __future__ import annotations

import signal
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from simaccel.bridge import wire
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.test_bridge_haproxy import _ANSWERS, _haproxy
from tests.bridge.tls import client_context, load
from tests.bridge.toolbox import PREFIX, Toolbox, end_jobs
from tests.effort import pick, some
from tests.limits import WAIT_S
from tests.waiting import wait_until

KILLS = pick(3, 10, 10)


class Devices:
    """Three devices, each of which can be killed and started again."""

    def __init__(self) -> None:
        self.all = [DeviceProcess() for _ in range(3)]
        self.addresses = [device.address for device in self.all]

    @property
    def socket(self) -> str:
        """The setting."""
        return ", ".join(self.addresses)

    def completed(self) -> list[int]:
        """What each has done since it was started."""
        return [int(device.stat()["completed"]) for device in self.all]

    def kill_and_restart(self, number: int) -> None:
        """kill -9."""
        self.all[number].kill()
        self.all[number] = DeviceProcess(self.addresses[number])

    def close(self) -> None:
        for device in self.all:
            device.kill()


@pytest.fixture
def devices() -> Iterator[Devices]:
    made = Devices()
    yield made
    made.close()


@pytest.mark.parametrize("socket", ["@a,,@b", "@a, @a", ",", "@a,", "@a,@", ",".join(f"@{n}" for n in range(9))])
def test_a_list_that_can_not_be_used_is_one_clear_line(toolbox: Toolbox, socket: str) -> None:
    process = toolbox.start_jobs(socket, "fd", 1, 1)
    _, err = process.communicate(timeout=WAIT_S)
    assert process.returncode == 3
    (line,) = [line for line in err.splitlines() if line.startswith("simaccel: ")]
    assert line.startswith(
        f"simaccel: socket = {socket}: use a path, or @ and a name, of at most 107 bytes; for several"
    )
    assert line.endswith("at most 8 of them, all different, with commas between")


@pytest.mark.parametrize("mode", ["fd", "blocking"])
def test_all_devices_get_their_share(toolbox: Toolbox, devices: Devices, mode: str) -> None:
    counted = toolbox.run_jobs(devices.socket, mode, 24, 400, entries=4, fallback="no")
    assert counted["good"] == counted["wanted"]
    assert counted["software"] == 0
    assert counted["connects"] == 3
    done = devices.completed()
    assert sum(done) == counted["offloaded"] + 3 * 5  # and the load of each key to each device
    assert min(done) > 5  # how much depends on which process the system lets run


def test_each_device_is_shown_what_happened_at_it(toolbox: Toolbox, devices: Devices) -> None:
    counted = toolbox.run_jobs(devices.socket, "fd", 24, 400, entries=4)
    wait_until(lambda: not any(device.stat()["clients"] for device in devices.all))
    reports = [device.stat() for device in devices.all]
    for name in wire.COUNTS:
        assert sum(report["told"][name] for report in reports) == counted[name], name
    for report in reports:
        told = report["told"]
        assert told["connects"] == 1
        assert told["offloaded"] == sum(report["by_op"].values()) > 0
        assert told["pauses"] >= told["offloaded"] + told["spurious"]
    assert counted["full"] > 0


def test_what_happens_at_no_device_is_shown_to_one_that_is_there(toolbox: Toolbox) -> None:
    first = DeviceProcess()
    rest = [DeviceProcess(None, "--fault", "fail:every=2", module=SERVE) for _ in range(2)]
    addresses = ", ".join(device.address for device in (first, *rest))
    process = toolbox.start_jobs(addresses, "fd", 8, 0, "ecdsa,x25519", entries=8)

    def in_software(device: DeviceProcess) -> int:
        return sum(client["told"].get("software", 0) for client in device.stat()["clients"])

    try:
        wait_until(lambda: in_software(first) > 0)
        assert [in_software(device) for device in rest] == [0, 0]
        first.kill()
        wait_until(lambda: in_software(rest[0]) > 0)
        counted = end_jobs(process)
    finally:
        process.kill()
        process.wait()
        for device in (first, *rest):
            device.kill()
    assert counted["software"] > 0


@pytest.mark.parametrize("mode", some(["fd", "callback"], 1))
def test_a_killed_device_costs_no_operation(toolbox: Toolbox, devices: Devices, mode: str) -> None:
    process = toolbox.start_jobs(devices.socket, mode, 24, 0, "ecdsa,x25519,rsa-pkcs1", entries=8, fallback="no")
    try:
        for number in range(3):
            _wait_for_load(devices, process)
            # It is stopped first, and gets work all the same: so it takes some along.
            devices.all[number].process.send_signal(signal.SIGSTOP)
            another = devices.all[number - 1]
            before = another.stat()["completed"]
            wait_until(lambda: another.stat()["completed"] > before + 100, process)  # noqa: B023 - called here
            devices.kill_and_restart(number)
        _wait_for_load(devices, process)
        counted = end_jobs(process)
    finally:
        process.kill()
        process.wait()
    assert counted["good"] == counted["wanted"]
    assert (counted["errors"], counted["software"]) == (0, 0)
    assert counted["gone"] > 0
    assert counted["connects"] >= 3 + 3


def test_a_stalled_device_costs_its_operations_a_deadline(toolbox: Toolbox, devices: Devices) -> None:
    # Long enough that a device that works never misses it, however slow the machine is.
    process = toolbox.start_jobs(
        devices.socket, "fd", 24, 0, "ecdsa,x25519", entries=8, fallback="no", deadline_ms=5_000
    )
    stopped = devices.all[1].process
    try:
        _wait_for_load(devices, process)
        stopped.send_signal(signal.SIGSTOP)
        before = devices.all[0].stat()["completed"]
        wait_until(lambda: devices.all[0].stat()["completed"] > before + 500, process)
        stopped.send_signal(signal.SIGCONT)
        counted = end_jobs(process)
    finally:
        stopped.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()
    assert counted["good"] == counted["wanted"], counted
    assert counted["errors"] == counted["software"] == 0


def test_a_device_that_is_not_there_is_done_without(toolbox: Toolbox, devices: Devices) -> None:
    counted = toolbox.run_jobs(f"@nobody, {devices.addresses[0]}", "fd", 8, 200, fallback="no")
    assert counted["good"] == counted["wanted"]
    assert counted["connects"] == 1


def _wait_for_load(devices: Devices, process: subprocess.Popen[str]) -> None:
    """Until each device has completed 50 operations since it was started."""
    wait_until(lambda: min(devices.completed()) >= 50, process)


@pytest.mark.skipif(bool(PREFIX), reason="Debian's HAProxy uses the system's OpenSSL")
def test_haproxy_fails_no_handshake_while_devices_are_killed(
    toolbox: Toolbox, devices: Devices, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of three is killed again and again under load. With fallback=no: what one has not done, another has."""
    context = client_context(ssl.TLSVersion.TLSv1_3)
    environment = toolbox.environment
    monkeypatch.setattr(
        Toolbox, "environment", lambda _, address, **more: environment(address, fallback="no", entries=16, **more)
    )
    with (
        _haproxy(toolbox, devices.socket, tmp_path, ["nbthread 2"], _ANSWERS) as (port, _),
        ThreadPoolExecutor(1) as pool,
    ):
        for kill in range(KILLS):
            while not min(devices.completed()):  # a device is connected again at most once a second
                load(port, context, 10, b"served by haproxy")
            before = devices.completed()[kill % 3]
            loading = pool.submit(load, port, context, 60, b"served by haproxy")
            # In the middle of the load: after some of its handshakes have come to this device.
            wait_until(lambda: devices.completed()[kill % 3] > before + 4 or loading.done())  # noqa: B023  # called at once
            devices.kill_and_restart(kill % 3)
            loading.result(WAIT_S)  # raises if one handshake has failed
        while not min(devices.completed()):  # the last one comes back too
            load(port, context, 10, b"served by haproxy")
