"""Our own processes never load the provider, whatever OPENSSL_CONF says, and a device is never its own client."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from simaccel.bridge import NoDeviceError, Server, connect, device_process, read_report
from simaccel.bridge.peer import credentials
from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.bridge.toolbox import PREFIX, ROOT, Toolbox, by_op, run
from tests.keys import rsa_bytes
from tests.limits import WAIT_S

system_only = pytest.mark.skipif(bool(PREFIX), reason="Python finds only the system's libcrypto")


def mapped(pid: int) -> bool:
    return "/simaccel.so" in Path(f"/proc/{pid}/maps").read_text()


@pytest.mark.parametrize("module", [SERVE, "simaccel.bridge"])
def test_a_device_does_not_load_the_provider(toolbox: Toolbox, tmp_path: Path, module: str) -> None:
    environment = {"OPENSSL_CONF": str(toolbox.config), "SIMACCEL_SOCKET": (address := fresh_address())}
    with DeviceProcess(address, module=module, environment=environment) as device:
        assert not mapped(device.process.pid)
        (tmp_path / "key.pem").write_bytes(rsa_bytes())
        sign = ["openssl", "dgst", "-sha256", "-sign", str(tmp_path / "key.pem"), str(toolbox.config)]
        run(sign, toolbox.environment(address))
        report = device.stat()
    assert by_op(report, "rsa-sign") > 0
    assert report["connects"] == 1
    assert report["refused_users"] == []


def test_a_device_process_of_a_python_program_does_not_load_it(
    toolbox: Toolbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSSL_CONF", str(toolbox.config))
    with device_process() as address, connect(address) as accel:
        pid, _ = credentials(accel._connection.rings.control)
        assert not mapped(pid)


PROGRAM = """
import os, sys
sys.argv = ["simaccel", *sys.argv[1:]]
import ssl
ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # Python 3.14 does not load the configuration before
assert ("/simaccel.so" in open("/proc/self/maps").read()) == (os.environ["OPENSSL_CONF"] != os.devnull)
from simaccel.cli import main
sys.exit(main())
"""
"""As the script that pip writes, with a look at what has come with the imports."""


@system_only
def test_the_command_line_does_not_use_the_device_that_it_might_measure(
    toolbox: Toolbox, device: DeviceProcess
) -> None:
    environment = toolbox.environment(device.address) | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, "run", "--op", "rsa-sign", "--count", "20"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0, done.stderr
    report = device.stat()
    assert report["connects"] == 0
    assert report["by_op"] == {}


def test_a_program_that_it_starts_gets_its_own_configuration(toolbox: Toolbox, device: DeviceProcess) -> None:
    environment = toolbox.environment(device.address) | {
        "PYTHONPATH": str(ROOT),
        "SIMACCEL_MODULE": str(toolbox.provider),
        "LC_ALL": "",
    }
    command = [sys.executable, "-m", "simaccel", "openssl", "--", "sh", "-c", "cat $OPENSSL_CONF; env"]
    done = run(command, environment).stdout.decode()
    assert f"module = {toolbox.provider}" in done
    assert "LC_CTYPE" not in done


def test_a_device_refuses_a_client_in_its_own_process(tmp_path: Path) -> None:
    """A library that is served by its own process is nothing that we can prevent: so it is told."""
    told: list[str] = []
    with Server(fresh_address(), on_refused=lambda refused: told.append(refused.why)) as server:
        thread = threading.Thread(target=server.serve)
        thread.start()
        try:
            for _ in range(2):
                with pytest.raises(NoDeviceError, match="a device can't be its own client"):
                    connect(server.address)
            report = read_report(server.address)
        finally:
            server.stop()
            thread.join()
    assert len(told) == 1
    assert [(row["pid"], row["times"]) for row in report["refused_users"]] == [(os.getpid(), 2)]


EMBEDDED = """
import sys, threading, time
from cryptography.hazmat.primitives.asymmetric import rsa, padding
from cryptography.hazmat.primitives import hashes
from simaccel.bridge import Server
server = Server(sys.argv[1])
threading.Thread(target=server.serve, daemon=True).start()
key = rsa.generate_private_key(65537, 2048)
for _ in range(20):
    key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
print(server.report()["connects"], "/simaccel.so" in open("/proc/self/maps").read())
"""


@system_only
def test_the_provider_does_not_wait_for_a_device_in_its_own_process(toolbox: Toolbox) -> None:
    """Where a program embeds the device and is configured to use it."""
    address = fresh_address()
    environment = toolbox.environment(address, trace="yes") | {"PYTHONPATH": str(ROOT)}
    done = run([sys.executable, "-c", EMBEDDED, address], environment)
    assert done.stdout == b"0 True\n"
    assert b"is this very process, which can't wait for itself" in done.stderr
