"""`simaccel check` and `--require-device`: a program that does not use the device can find out why."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UsageError
from simaccel.cli.exits import FAILED, OK, USAGE
from simaccel.cli.openssl_setup.running_process import Process
from tests.bridge.commands import simaccel
from tests.bridge.conftest import require
from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.talker import PYTHON, Talker, talker
from tests.bridge.test_bridge_admission import NOBODY, in_child, needs_root
from tests.bridge.test_bridge_servers import haproxy
from tests.bridge.tls import client_context, load, make_certificate
from tests.bridge.toolbox import PREFIX, Toolbox
from tests.waiting import wait_until

system_only = pytest.mark.skipif(bool(PREFIX), reason="Debian's programs use the system's OpenSSL")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    require(PYTHON)
    return make_certificate(tmp_path, "ec")


def check(program: Talker, code: int) -> list[str]:
    """The lines of `simaccel check --pid`."""
    done = simaccel("check", "--pid", str(program.pid))
    assert (done.returncode, done.stderr) == (code, "")
    return done.stdout.splitlines()


def why_not(program: Talker) -> str:
    """The last line, for a program that does not use the device."""
    line = check(program, FAILED)[-1]
    assert line.startswith("it does not use the device: ")
    return line


@system_only
def test_from_loaded_to_connected_to_lost(toolbox: Toolbox, device: DeviceProcess, certificate: Path) -> None:
    with talker(toolbox.environment(device.address), certificate) as program:
        program.do("serve")
        lines = check(program, OK)
        assert (
            lines[-1]
            == f"it uses the device at {device.address}: it blocks, because its operations do not run in async jobs"
        )
        # A key to load, a key exchange, a signature.
        assert f"device      {device.address}: 3 operations completed, 0 failed, 0 in flight" in lines
        assert "since then  0 pauses, 0 spurious resumes, 2 waited for by a thread, 0 in software" in lines
        assert (
            "counts      2 on a device, 0 pauses, 0 spurious resumes, 2 waited for by a thread, 0 in software" in lines
        )
        device.kill()
        assert (
            f"it was connected, and will notice the end at its next operation: no device at {device.address}"
            in check(program, FAILED)[-1]
        )
        program.do("serve")  # a program that blocks has no thread of the provider's, so an operation finds it out
        found = why_not(program)
        # The second, if the connection was made more than a second ago, so that another one was tried.
        assert f"{device.address} went away" in found or f"no device at {device.address}" in found


@system_only
def test_a_provider_that_nothing_came_to(toolbox: Toolbox, device: DeviceProcess, certificate: Path) -> None:
    with talker(toolbox.environment(device.address), certificate) as program:
        program.do("load")
        assert "the provider is loaded, but no operation has come to it" in why_not(program)


@system_only
def test_only_operations_that_are_never_sent(toolbox: Toolbox, device: DeviceProcess, certificate: Path) -> None:
    with talker(toolbox.environment(device.address, operations="none"), certificate) as program:
        program.do("serve")
        assert "all operations so far were of kinds that are never sent to a device" in why_not(program)
        counts = Process.of(program.pid).counts()
        assert counts is not None
        assert counts["unsupported"] == counts["software"] > 0


@system_only
def test_no_device(toolbox: Toolbox, certificate: Path) -> None:
    address = fresh_address()
    with talker(toolbox.environment(address), certificate) as program:
        program.do("serve")
        assert f"no device at {address}: Connection refused" in why_not(program)


@system_only
def test_a_device_that_refuses(toolbox: Toolbox, certificate: Path) -> None:
    with (
        DeviceProcess(None, "refusal", module="tests.bridge.faulty_device") as device,
        talker(toolbox.environment(device.address), certificate) as program,
    ):
        program.do("serve")
        assert "the device refused: no more clients today" in why_not(program)


@system_only
def test_a_setting_that_can_not_be_used(toolbox: Toolbox, certificate: Path) -> None:
    with talker(toolbox.environment(fresh_address(), entries=3), certificate) as program:
        program.do("serve")
        assert "the provider did not load, because a setting can't be used: entries = 3: use a power of two" in why_not(
            program
        )


@system_only
def test_no_fds_left(toolbox: Toolbox, device: DeviceProcess, certificate: Path) -> None:
    with talker(toolbox.environment(device.address), certificate) as program:
        program.do("load")
        program.do("starve")
        # Neither a socket nor a page for a report can be had; the report of before would now be wrong.
        program.do("serve")
        assert "but there is no report: the process has no fds or no memory left" in why_not(program)


@system_only
def test_an_application_that_closes_all_fds_is_still_seen(
    toolbox: Toolbox, device: DeviceProcess, certificate: Path
) -> None:
    with talker(toolbox.environment(device.address), certificate) as program:
        program.do("serve")
        program.do("closefrom")
        report = Process.of(program.pid).report
        assert report is not None
        assert report.text.startswith((device.address, f"the device at {device.address} went away"))


@system_only
def test_a_child_that_has_done_nothing_yet_and_then_has(
    toolbox: Toolbox, device: DeviceProcess, certificate: Path
) -> None:
    with talker(toolbox.environment(device.address), certificate) as program:
        program.do("serve")
        parent = program.pid
        program.do("fork")
        assert program.pid != parent
        assert f"it was forked by a process {parent} that had the provider (connected: {device.address})" in why_not(
            program
        )
        program.do("serve")
        assert "counts      2 on a device" in "\n".join(check(program, OK))
        assert Process.of(parent).report != Process.of(program.pid).report


@system_only
@pytest.mark.parametrize(
    ("config", "why"),
    [
        (None, "its environment has no OPENSSL_CONF: start it with simaccel openssl"),
        ("missing.cnf", "it can't read OPENSSL_CONF="),
        ("empty.cnf", "does not name it"),
        ("other.cnf", "or the provider failed to load"),
    ],
)
def test_a_program_that_has_not_loaded_it(
    toolbox: Toolbox, tmp_path: Path, certificate: Path, config: str | None, why: str
) -> None:
    environment = toolbox.environment(fresh_address())
    del environment["OPENSSL_CONF"]
    (tmp_path / "empty.cnf").touch()
    (tmp_path / "other.cnf").write_text("[unused]\nmodule = /no/such/simaccel.so\n")
    if config is not None:
        environment["OPENSSL_CONF"] = str(tmp_path / config)
    with talker(environment, certificate) as program:
        program.do("serve")
        assert why in why_not(program)


def test_a_program_without_openssl() -> None:
    with subprocess.Popen(["sleep", "1000"]) as process:
        try:
            # It has been executed, and not only forked.
            wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
            done = simaccel("check", "--pid", str(process.pid))
        finally:
            process.kill()
    assert done.returncode == FAILED
    assert "it has loaded no libcrypto" in done.stdout


@system_only
def test_haproxy_is_said_to_pause(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path) -> None:
    with haproxy(toolbox, device.address, tmp_path, "ec") as (port, master):
        load(port, client_context(), 20, b"served by haproxy")
        (worker,) = map(int, Path(f"/proc/{master}/task/{master}/children").read_text().split())
        done = simaccel("check", "--pid", str(worker))
        device.kill()
        # One that pauses finds that out at once, without an operation.
        wait_until(lambda: (report := Process.of(worker).report) is not None and report.state == "lost")
        lost = simaccel("check", "--pid", str(worker))
    assert done.returncode == OK
    assert done.stdout.splitlines()[-1] == f"it uses the device at {device.address}: its jobs pause"
    assert lost.returncode == FAILED
    assert f"the device at {device.address} went away; its next operation connects again" in lost.stdout


def test_what_can_not_be_looked_at() -> None:
    done = simaccel("check", "--pid", str(2**30))
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert done.stderr == f"simaccel: there is no process {2**30}\n"


def test_of_several_processes_those_that_have_ended_are_left_out() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert [process.pid for process in Process.all_of([ended.pid, os.getpid(), 2**30])] == [os.getpid()]


@needs_root
def test_another_users_process_can_not_be_looked_at() -> None:
    def look() -> bytes:
        os.setuid(NOBODY)
        try:
            Process.of(os.getppid())
        except UsageError as error:
            return str(error).encode()
        return b"it can"

    assert in_child(look).decode() == f"process {os.getpid()} is another user's: call this as that user, or as root"


# The set-up itself


def test_a_set_up_that_works(toolbox: Toolbox, device: DeviceProcess) -> None:
    done = simaccel("check", SIMACCEL_MODULE=str(toolbox.provider), SIMACCEL_SOCKET=device.address)
    assert done.returncode == OK, done.stdout
    assert done.stdout.splitlines()[-1].startswith("the set-up works")
    assert device.stat()["by_op"] == {"ed25519-sign": 1}


def test_a_set_up_without_a_device(toolbox: Toolbox) -> None:
    address = fresh_address()
    done = simaccel("check", "--socket", address, SIMACCEL_MODULE=str(toolbox.provider))
    assert done.returncode == FAILED
    assert f"the set-up does not work: no device at {address}" in done.stdout


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"SIMACCEL_ENTRIES": "3"}, "openssl did not load the provider: entries = 3: use a power of two"),
        ({"SIMACCEL_OPERATIONS": "rsa"}, "openssl made the signature in software"),
    ],
)
def test_a_set_up_that_a_setting_spoils(
    toolbox: Toolbox, device: DeviceProcess, variables: dict[str, Any], why: str
) -> None:
    done = simaccel("check", "--socket", device.address, SIMACCEL_MODULE=str(toolbox.provider), **variables)
    assert done.returncode == FAILED
    assert f"the set-up does not work: {why}" in done.stdout
    assert device.stat()["by_op"] == {}
