"""The device process and its command line: who may connect, what is refused, and how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from sim.errors import UsageError
from simaccel.bridge import NoDeviceError, Server, connect, wire
from simaccel.bridge.device import listener
from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.toolbox import AFTER_SIGNAL, Toolbox, end_jobs, run
from tests.limits import WAIT_S
from tests.waiting import wait_until

SIMACCEL = str(Path(sys.executable).with_name("simaccel"))


def _ask(address: str, message: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
        peer.settimeout(WAIT_S)
        peer.connect(wire.socket_address(address))
        with suppress(BrokenPipeError):  # refused already, because of our user
            peer.send(message)
        try:
            return peer.recv(65536)
        except ConnectionResetError:  # refused before it read our message: the reason comes after this error
            return peer.recv(65536)


def test_a_path_is_for_its_owner_alone_and_goes_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with DeviceProcess(str(path)):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


def test_a_stale_socket_is_taken_over_and_a_live_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    DeviceProcess(str(path)).kill()
    assert path.exists()
    with DeviceProcess(str(path)), pytest.raises(UsageError, match="a device is running there"):
        Server(str(path))


def test_a_live_abstract_name_is_refused(device: DeviceProcess) -> None:
    with pytest.raises(UsageError, match="a device is running there"):
        Server(device.address)


def test_a_file_in_the_way_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is no socket"):
        Server(str(path))
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", ["", "@", "x" * 108, "@" + "x" * 108, "/no/such/folder/socket"])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="socket "):
        Server(name)


@pytest.mark.parametrize(("option", "value"), [("depth", 3), ("depth", 8192), ("workers", 0), ("latency", "soon")])
def test_invalid_parameters_are_refused(option: str, value: object) -> None:
    with pytest.raises(UsageError):
        Server(fresh_address(), **{option: value})  # type: ignore[arg-type]


def test_the_end_by_a_signal_is_clean() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        device = DeviceProcess()
        device.process.send_signal(number)
        assert device.process.wait(WAIT_S) == 0
        device.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_other_users_are_refused(device: DeviceProcess) -> None:
    # A fork, because another user may not be able to read our Python.
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.write(writer, _ask(device.address, wire.hello(4, 1024)))
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert b"user 65534 may not use this device" in answer.read()
    os.waitpid(child, 0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_device_of_another_user_is_refused() -> None:
    """Any user may take an abstract name that is free."""
    address = fresh_address()
    reader, writer = os.pipe()
    end_reader, end_writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(end_writer)
            os.setgid(65534)
            os.setuid(65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
                other.bind(wire.socket_address(address))
                other.listen()
                os.write(writer, b".")
                os.read(end_reader, 1)
        finally:
            os._exit(0)
    assert os.read(reader, 1)
    with pytest.raises(NoDeviceError, match="belongs to another user, 65534"):
        connect(address)
    for fd in (reader, writer, end_reader, end_writer):
        os.close(fd)
    os.waitpid(child, 0)


def test_a_device_that_ends_leaves_the_socket_of_another_alone(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    first = DeviceProcess(str(path))
    path.unlink()
    with DeviceProcess(str(path)) as second:
        assert first.close() == 0
        assert second.stat()["address"] == str(path)
    assert not path.exists()


def test_a_stale_socket_is_looked_at_and_taken_over_by_one_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If two found it stale at once, the slower would remove the socket of the faster."""
    path = tmp_path / "socket"
    DeviceProcess(str(path)).kill()
    remove, seen = listener._remove_stale, []

    def remove_while_another_begins(name: str) -> None:
        folder = os.open(tmp_path, os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(folder)
        seen.append(name)
        remove(name)

    monkeypatch.setattr(listener, "_remove_stale", remove_while_another_begins)
    with Server(str(path)), pytest.raises(UsageError, match="a device is running there"):
        Server(str(path))
    assert seen == [str(path)]
    assert not path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_by_a_signal_is_clean_under_load_too(toolbox: Toolbox, number: signal.Signals) -> None:
    device = DeviceProcess(None, "2")
    process = toolbox.start_jobs(device.address, "fd", 16, 0, "ecdsa,x25519,rsa-pkcs1", entries=16)
    try:
        wait_until(lambda: device.stat()["completed"] >= 100, process)
        device.process.send_signal(number)
        assert device.process.wait(WAIT_S) == 0
        counted = end_jobs(process)
    finally:
        process.kill()
        process.communicate()
        device.kill()
    assert counted["good"] == counted["wanted"]
    assert counted["software"] >= AFTER_SIGNAL


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (wire.HEADER.pack(wire.MAGIC, 99, wire.Message.HELLO) + bytes(16), b"speaks version 2 of the protocol, you 99"),
        (wire.hello(3, 4096), b"use a power of two"),
        (wire.hello(8192, 4096), b"use a power of two from 2 to 4096"),
        (wire.hello(16, 100), b"use a multiple of 64"),
        (wire.forget(1), b"a message of type 4"),
        (b"GET / HTTP/1.0\r\n\r\n", b"this is no client"),
        (b"x", b"a message of 1 bytes"),
    ],
)
def test_what_a_client_may_not_say(device: DeviceProcess, message: bytes, why: bytes) -> None:
    answer = _ask(device.address, message)
    assert wire.HEADER.unpack_from(answer) == (wire.MAGIC, wire.VERSION, wire.Message.REFUSED)
    assert why in answer


def test_clients_that_leave_before_their_welcome_leave_nothing_behind(device: DeviceProcess) -> None:
    fds = Path(f"/proc/{device.process.pid}/fd")
    before = len(list(fds.iterdir()))
    os.kill(device.process.pid, signal.SIGSTOP)  # so that they are gone before it looks
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(wire.socket_address(device.address))
            peer.send(wire.hello(4, 1024))
    os.kill(device.process.pid, signal.SIGCONT)
    wait_until(lambda: not device.stat()["clients"])
    assert len(list(fds.iterdir())) <= before + 1  # the connection of the last stat


def test_the_provider_may_be_configured_twice(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    config = tmp_path / "twice.cnf"
    text = toolbox.config.read_text()
    config.write_text(
        text.replace("simaccel = simaccel_section", "simaccel = simaccel_section\nsimaccel2 = simaccel_section")
    )
    environment = toolbox.environment(device.address) | {"OPENSSL_CONF": str(config)}
    run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"],
        environment,
    )
    assert device.stat()["by_op"] == {"rsa-sign": 1}


def test_the_command_line_serves_runs_programs_and_tells(toolbox: Toolbox, tmp_path: Path) -> None:
    address = fresh_address()
    environment = toolbox.environment(address) | {"SIMACCEL_MODULE": str(toolbox.provider)}
    del environment["OPENSSL_CONF"]
    environment["TMPDIR"] = str(tmp_path)
    server = subprocess.Popen([SIMACCEL, "serve", "--workers", "2"], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"serving at {address}\n"
        again = run([SIMACCEL, "serve"], environment, check=False)
        assert again.returncode == 2
        assert b"a device is running there" in again.stderr
        request = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"]
        run([SIMACCEL, "openssl", "--", *request], environment)
        report = json.loads(run([SIMACCEL, "stat", "--json"], environment).stdout)
        assert report["completed"] == report["submitted"] == 2  # the key, and the signature
        assert report["by_op"] == {"ed25519-sign": 1}
        assert b"ed25519-sign" in run([SIMACCEL, "stat"], environment).stdout
        module = run([SIMACCEL, "openssl", "--module"], environment).stdout.strip().decode()
        assert Path(module) == toolbox.provider
        assert module in run([SIMACCEL, "openssl", "--config"], environment).stdout.decode()
    finally:
        server.terminate()
        out, _ = server.communicate(timeout=WAIT_S)
    assert server.returncode == 0
    assert "ed25519-sign 1" in out
    gone = run([SIMACCEL, "stat"], environment, check=False)
    assert gone.returncode == 1
    assert b"start one with simaccel serve" in gone.stderr
