"""Which users may use a device, whose devices a client trusts, and how many slots a client gets."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from sim.errors import UsageError
from simaccel.bridge import NoDeviceError, Server, connect, remote, users, wire
from tests.bridge.commands import simaccel
from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.bridge.test_bridge_connect import call
from tests.bridge.toolbox import Toolbox, finish
from tests.limits import WAIT_S

NOBODY = 65534
GROUP = 54321

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def ask_as(address: str, groups: Sequence[int] = (), times: int = 1) -> bytes:
    """What the device answers to the hello of nobody, a member of these groups."""

    def ask() -> bytes:
        os.setgroups(groups)
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        for _ in range(times):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
                peer.settimeout(WAIT_S)
                try:
                    peer.connect(wire.socket_address(address))
                    peer.send(wire.hello(4, 1024))
                except PermissionError:
                    return b"no permission"
                except BrokenPipeError:  # refused already
                    pass
                try:
                    data = peer.recv(65536)
                except ConnectionResetError:
                    data = peer.recv(65536)
        return data

    return in_child(ask)


def in_child(work: Callable[[], bytes]) -> bytes:
    """What `work` returns in a forked child. A new process of another user might not be able to read our Python."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, work() or b"nothing")
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        data = answer.read()
    os.waitpid(child, 0)
    return data


def kind(answer: bytes) -> int:
    return int(wire.HEADER.unpack_from(answer)[2])


@contextmanager
def device_of_nobody() -> Iterator[str]:
    """The address of a device that runs as nobody."""
    address = fresh_address()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            with Server(address) as server:
                os.write(writer, b".")
                server.serve()
        finally:
            os._exit(0)
    try:
        os.close(writer)
        assert os.read(reader, 1) == b"."
        yield address
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@needs_root
def test_a_refused_user_is_one_line_on_stderr_and_a_row_of_the_report(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    with DeviceProcess(None, module=SERVE, errors=errors) as device:
        assert b"user 65534 may not use this device" in ask_as(device.address, times=3)
        (row,) = device.stat()["refused_users"]
        told = simaccel("stat", address=device.address, check=True).stdout
    assert (row["uid"], row["times"]) == (NOBODY, 3)
    lines = errors.read_text().splitlines()
    assert len(lines) == 1
    assert "of user nobody (65534): user 65534 may not use this device: allow it with --allow-user 65534" in lines[0]
    assert "refused     user nobody (65534), 3 times" in told


@needs_root
@pytest.mark.parametrize("user", ["nobody", "65534"])
def test_a_user_who_is_named_may_connect(user: str) -> None:
    with DeviceProcess(None, "--allow-user", user, module=SERVE) as device:
        assert kind(ask_as(device.address)) == wire.Message.WELCOME
        assert device.stat()["refused_users"] == []


@needs_root
def test_members_of_the_group_may_and_no_others() -> None:
    with DeviceProcess(None, "--group", str(GROUP), module=SERVE) as device:
        assert kind(ask_as(device.address, [1, GROUP])) == wire.Message.WELCOME
        assert kind(ask_as(device.address, [1])) == wire.Message.REFUSED


@needs_root
@pytest.mark.parametrize(
    ("options", "mode", "gid", "answers"),
    [
        ((), 0o600, 0, b"no permission"),
        (("--allow-user", "nobody"), 0o666, 0, b""),
        (("--group", str(GROUP)), 0o660, GROUP, b""),
        (("--group", str(GROUP), "--mode", "0600"), 0o600, GROUP, b"no permission"),
        (("--mode", "666"), 0o666, 0, b"may not use this device"),
    ],
)
def test_the_file_of_a_socket_is_open_to_those_who_may(
    options: tuple[str, ...], mode: int, gid: int, answers: bytes
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        path = Path(folder) / "socket"
        with DeviceProcess(str(path), *options, module=SERVE):
            about = path.stat()
            answer = ask_as(str(path), [GROUP])
    assert (stat.S_IMODE(about.st_mode), about.st_gid) == (mode, gid)
    assert answers in answer if answers else kind(answer) == wire.Message.WELCOME


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--allow-user", "no such user"), "there is no user 'no such user'"),
        (("--allow-user", str(2**32)), "is no user's or group's number"),
        (("--group", "no such group"), "there is no group 'no such group'"),
        (("--mode", "rw"), "use an octal number from 0 to 0777"),
        (("--mode", "1777"), "use an octal number from 0 to 0777"),
        (("--mode", "888"), "use an octal number from 0 to 0777"),
    ],
)
def test_invalid_users_groups_and_modes_are_refused(arguments: tuple[str, ...], why: str) -> None:
    done = simaccel("serve", "--socket", fresh_address(), *arguments)
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@needs_root
def test_python_uses_the_device_of_a_user_whom_it_trusts(monkeypatch: pytest.MonkeyPatch) -> None:
    with device_of_nobody() as address:
        with pytest.raises(NoDeviceError, match="belongs to another user, 65534: name it in trusted_users"):
            connect(address)
        with pytest.raises(NoDeviceError, match="belongs to another user"):
            connect(address, trusted_users=["daemon", 1234])
        for trusted in (["daemon", "nobody"], [NOBODY], "nobody"):
            with connect(address, trusted_users=trusted) as accel:
                assert call(accel, "echo", b"trusted").result == b"trusted"
        monkeypatch.setenv("SIMACCEL_TRUSTED_USERS", "daemon, nobody")
        with connect(address) as accel:
            assert call(accel, "echo", b"trusted").result == b"trusted"
        with pytest.raises(NoDeviceError, match="belongs to another user"):
            connect(address, trusted_users=[])


def test_a_user_to_be_trusted_must_exist() -> None:
    with pytest.raises(UsageError, match="there is no user 'no such user'"):
        connect(fresh_address(), trusted_users=["no such user"])
    assert users.user_name(4_000_000_000) == "4000000000"


@needs_root
@pytest.mark.parametrize(
    ("trusted", "offloaded"), [("", False), ("daemon", False), ("nobody", True), ("1, 65534 ,2", True)]
)
def test_the_provider_uses_the_device_of_a_user_whom_it_trusts(toolbox: Toolbox, trusted: str, offloaded: bool) -> None:
    with device_of_nobody() as address:
        process = toolbox.start_jobs(address, "fd", 2, 12, "ecdsa", trusted_users=trusted, trace="yes")
        counted = finish(process)
    assert counted["good"] == 12
    assert counted["connects"] == offloaded
    assert counted["offloaded"] == (12 if offloaded else 0)


def test_a_trusted_user_that_does_not_exist_is_one_line(toolbox: Toolbox) -> None:
    environment = toolbox.environment(fresh_address(), trusted_users="no-such-user")
    done = subprocess.run(
        ["openssl", "list", "-providers"], env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert "simaccel: trusted_users = no-such-user: use at most 16 names of /etc/passwd, or uids" in done.stderr


@pytest.mark.parametrize("depth", [2, 64])
def test_a_client_gets_no_more_slots_than_the_device_allows(toolbox: Toolbox, depth: int) -> None:
    with DeviceProcess(None, "--depth", str(depth), module=SERVE) as device:
        with connect(device.address) as accel:
            assert accel.depth == accel.free_slots == depth
            assert all(call(accel, "echo", b"%d" % number).result == b"%d" % number for number in range(3 * depth))
            assert [client["entries"] for client in device.stat()["clients"]] == [depth]
        counted = toolbox.run_jobs(device.address, "fd", 8, 200, "ecdsa")
    assert counted["good"] == counted["offloaded"] == 200
    assert counted["connects"] == 1


def test_a_client_that_asks_for_fewer_slots_gets_as_many() -> None:
    with DeviceProcess(None, "--depth", "64", module=SERVE) as device, connect(device.address, depth=16) as accel:
        assert accel.depth == 16


@contextmanager
def full_queue() -> Iterator[tuple[str, socket.socket, list[socket.socket]]]:
    """A listening socket whose queue of connections is full, and the connections in it."""
    address = fresh_address()
    waiting = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(wire.socket_address(address))
        listener.listen(2)
        try:
            while True:
                peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                peer.setblocking(False)
                try:
                    peer.connect(wire.socket_address(address))
                except BlockingIOError:
                    peer.close()
                    break
                waiting.append(peer)
            yield address, listener, waiting
        finally:
            for peer in waiting:
                peer.close()


def test_python_waits_in_line_for_a_device_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signals do not end the wait; their handlers run meanwhile."""
    signals = 0

    def make_room(*_: object) -> None:
        nonlocal signals
        signals += 1
        if signals == 3:
            while waiting:
                listener.accept()[0].close()
                waiting.pop().close()

    with full_queue() as (address, listener, waiting):
        monkeypatch.setattr("simaccel.bridge.remote.PATIENCE_S", 0.01)
        with pytest.raises(NoDeviceError, match="is busy: it has let nobody in for"):
            connect(address)
        monkeypatch.setattr("simaccel.bridge.remote.PATIENCE_S", WAIT_S)
        before = signal.signal(signal.SIGALRM, make_room)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            remote.open_control(address).close()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
    assert signals >= 3


def test_an_exception_of_a_signal_handler_ends_the_wait() -> None:
    waiting = remote._connect_patiently.__code__

    def interrupt(number: int, frame: FrameType | None) -> None:
        while frame is not None:
            if frame.f_code is waiting:  # elsewhere it would end the test
                raise KeyboardInterrupt
            frame = frame.f_back

    with full_queue() as (address, _, _):
        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            with pytest.raises(KeyboardInterrupt):
                connect(address)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)


def test_the_provider_says_of_a_busy_device_that_it_is_busy(toolbox: Toolbox) -> None:
    """Also where signals come all the time. A process that is stopped and goes on sees them too."""
    with full_queue() as (address, _, _):
        process = toolbox.start_jobs(address, "fd", 2, 12, "ecdsa", trace="yes", connect_ms=1_200)
        while process.poll() is None:
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
        assert process.stdout is not None
        assert process.stderr is not None
        with process.stdout as out, process.stderr as err:
            counted, trace = json.loads(out.read()), err.read()
    assert counted["good"] == counted["software"] == 12
    assert "is busy: it has let nobody in for 1200 ms" in trace
    assert "Interrupted" not in trace


def test_a_burst_of_programs_all_get_in(device: DeviceProcess) -> None:
    """More at once than a device's queue has places."""
    program = (
        "import sys\n"
        "from simaccel.bridge.client.shared import SharedRings\n"
        "rings = [SharedRings(sys.argv[1], 2, 256) for _ in range(100)]\n"
        "print(len(rings))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, device.address], stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert [process.communicate(timeout=WAIT_S)[0] for process in processes] == [b"100\n"] * 4
