"""Device and program in containers of their own: other namespaces of network, mounts and processes.

A path as the socket leads from one to the other, if the folder of the socket is mounted into both. An abstract name
does not, and the error says so.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simaccel.cli.exits import NO_DEVICE
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.tls import PLAIN, make_certificate
from tests.bridge.toolbox import ROOT, Toolbox, run
from tests.limits import WAIT_S

CONTAINER = (
    *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"),
    *(() if os.geteuid() == 0 else ("--user", "--map-root-user")),
)
"""What a container engine does that matters here. The container has this machine's files."""

HINT = "a device in another container must have a path as its socket"


def _works() -> bool:
    return subprocess.run([*CONTAINER, "true"], capture_output=True, timeout=WAIT_S, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not _works(), reason="this user may make no namespaces")


def _mounted(source: Path, target: Path, *command: str | Path) -> list[str]:
    """The command in a container in which only `target` leads to the folder `source`."""
    target.mkdir()
    script = f'mount --bind {source} {target} && mount -t tmpfs none {source} && exec "$@"'
    return [*CONTAINER, "sh", "-c", script, "sh", *map(str, command)]


@pytest.mark.parametrize("mode", ["fd", "callback", "blocking"])
def test_a_path_leads_to_a_device_in_another_container(toolbox: Toolbox, tmp_path: Path, mode: str) -> None:
    here, there = tmp_path / "run", tmp_path / "mounted"
    here.mkdir()
    with DeviceProcess(f"{here}/simaccel.sock", module=SERVE) as device:
        environment = toolbox.environment(f"{there}/simaccel.sock")
        del environment["OPENSSL_CONF"]  # jobs loads the provider itself
        jobs = (toolbox.jobs, toolbox.provider, mode, "4", "60", "ecdsa,x25519")
        counted = json.loads(run(_mounted(here, there, *jobs), environment).stdout)
        report = device.stat()
    assert counted["bad"] == counted["software"] == 0
    assert counted["good"] == counted["offloaded"] == 60
    assert sum(report["by_op"].values()) == 60
    assert report["failed"] == 0


def test_a_device_that_comes_back_is_found_through_the_mounted_folder(toolbox: Toolbox, tmp_path: Path) -> None:
    """The mount is of the folder, because a new device makes a new socket: a mount of the socket would lead to the old
    one."""
    here, there = tmp_path / "run", tmp_path / "mounted"
    here.mkdir()
    address = f"{here}/simaccel.sock"
    DeviceProcess(address, module=SERVE).kill()
    with DeviceProcess(address, module=SERVE) as device:
        sign = ["openssl", "dgst", "-sha256", "-sign", _key(tmp_path), "/dev/null"]
        run(_mounted(here, there, *sign), toolbox.environment(f"{there}/simaccel.sock"))
        assert device.stat()["by_op"] == {"ecdsa-sign": 1}


def test_an_abstract_name_leads_nowhere_and_the_provider_says_why(
    toolbox: Toolbox, device: DeviceProcess, tmp_path: Path
) -> None:
    sign = ["openssl", "dgst", "-sha256", "-sign", _key(tmp_path), "/dev/null"]
    done = run([*CONTAINER, *sign], toolbox.environment(device.address, trace="yes"))
    assert f"no device at {device.address}: Connection refused ({HINT})" in done.stderr.decode()
    assert device.stat()["by_op"] == {}


def test_an_abstract_name_leads_nowhere_and_the_command_says_why(toolbox: Toolbox, device: DeviceProcess) -> None:
    command = [sys.executable, "-m", "simaccel", "openssl", "--require-device", "--", "true"]
    variables = {"PYTHONPATH": str(ROOT), "SIMACCEL_MODULE": str(toolbox.provider), "SIMACCEL_SOCKET": device.address}
    done = run([*CONTAINER, *command], PLAIN | variables, check=False)
    assert done.returncode == NO_DEVICE
    assert HINT.capitalize() in done.stderr.decode()


def _key(folder: Path) -> str:
    make_certificate(folder, "ec")
    return str(folder / "ec.key")
