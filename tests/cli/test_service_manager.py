"""`simaccel serve` under a service manager: it says when it is ready and when it ends."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simaccel.cli.service_manager import VARIABLE, ServiceManager
from tests.bridge.device import fresh_address
from tests.cli.cli import command, environment
from tests.limits import WAIT_S


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket of a service manager, at a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(WAIT_S)
        yield listening


@pytest.mark.parametrize("devices", [1, 2])
def test_it_is_told_once_that_a_device_is_ready_and_that_it_ends(manager: socket.socket, devices: int) -> None:
    """A group tells it when all its devices serve, and none of them by itself."""
    address = fresh_address()
    words = command("serve", "--socket", address, "--devices", str(devices))
    variables = {**environment(), VARIABLE: manager.getsockname()}
    addresses = address if devices == 1 else f"{address}-1, {address}-2"
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=variables) as process:
        try:
            assert manager.recv(1000).decode() == f"READY=1\nSTATUS=serving at {addresses}"
        finally:
            process.terminate()
        _, err = process.communicate(timeout=WAIT_S)
    assert (process.returncode, err) == (0, "")
    assert manager.recv(1000) == b"STOPPING=1"
    manager.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.recv(1000)


def test_an_abstract_address_and_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    ServiceManager().ready("nobody hears this")
    address = fresh_address()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + address[1:])
        listening.setblocking(False)
        monkeypatch.setenv(VARIABLE, address)
        ServiceManager().stopping()
        assert listening.recv(1000) == b"STOPPING=1"
        ServiceManager().stopping()  # the first one took the address out of the environment
        with pytest.raises(BlockingIOError):
            listening.recv(1000)


def test_a_manager_that_is_not_there_costs_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    address = fresh_address()
    monkeypatch.setenv(VARIABLE, address)
    ServiceManager().ready("serving")
    assert capsys.readouterr().err == (
        f"simaccel: NOTIFY_SOCKET={address}: the service manager can't be told: [Errno 111] Connection refused\n"
    )
