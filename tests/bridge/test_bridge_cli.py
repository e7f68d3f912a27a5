"""The commands serve, stat, inject and openssl, as users call them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from simaccel.bridge import connect, wire
from simaccel.bridge.client.accelerator import RequestFailed
from simaccel.bridge.client.shared import Completion, SharedRings
from tests.bridge.commands import simaccel
from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.bridge.test_bridge_connect import call
from tests.bridge.toolbox import ROOT, Toolbox, run
from tests.keys import rsa_bytes
from tests.limits import WAIT_S

TOO_LONG = "/tmp/" + "x" * 120


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("serve", "--socket", TOO_LONG), "is too long: 107 bytes at most"),
        (("serve", "--units", "0"), "units=0: each of the 1 workers takes one or more"),
        (("serve", "--units", "1", "--workers", "2"), "units=1: each of the 2 workers"),
        (("serve", "--workers", "65"), "use a number from 1 to 64"),
        (("serve", "--depth", "48"), "use a power of two from 2 to 4096"),
        (("serve", "--seed", "-1"), "use a whole number, 0 or more"),
        (("serve", "--latency", "soon"), "no model 'soon'"),
        (("serve", "--fault", "sulk"), "no fault 'sulk'"),
        (("serve", "--stats-interval", "-1"), "use 0 to 1,000,000 seconds"),
        (("serve", "--stats-interval", "nan"), "use 0 to 1,000,000 seconds"),
        (("serve", "--stats-interval", "inf"), "use 0 to 1,000,000 seconds"),
        (("stat", "--socket", TOO_LONG), "is too long: 107 bytes at most"),
        (("stat", "--socket", "@"), "give a path, or @ and a name"),
        (("inject", "lose", "--socket", TOO_LONG), "is too long: 107 bytes at most"),
        (("inject",), "give a fault, such as lose:every=100, or --clear"),
        (("inject", "lose", "--clear"), "give a fault, such as lose:every=100, or --clear"),
        (("inject", "lose:p=2"), "use a number from 0 to 1"),
        (("openssl",), "a program after --, or --module, or --config"),
        (("openssl", "--config", "--socket", TOO_LONG), "is too long: 107 bytes at most"),
        (("openssl", "--config", "--socket", "two\nlines"), "can't be written in an openssl.cnf"),
    ],
)
def test_what_can_not_be_is_one_line_and_usage(toolbox: Toolbox, arguments: tuple[str, ...], why: str) -> None:
    done = simaccel(*arguments, SIMACCEL_MODULE=str(toolbox.provider))
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    "arguments", [("stat",), ("stat", "--watch", "--json"), ("inject", "lose"), ("inject", "--clear")]
)
def test_without_a_device(arguments: tuple[str, ...]) -> None:
    done = simaccel(*arguments, address=fresh_address())
    assert done.returncode == 1
    assert "start one with simaccel serve" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_device_of_another_version() -> None:
    address = fresh_address()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as other:
        other.bind(wire.socket_address(address))
        other.listen()

        def answer() -> None:
            peer, _ = other.accept()
            with peer:
                peer.recv(4096)
                peer.send(wire.HEADER.pack(wire.MAGIC, 99, wire.Message.REPORT) + b"{}")

        thread = threading.Thread(target=answer)
        thread.start()
        done = simaccel("stat", address=address)
        thread.join()
    assert done.returncode == 1
    assert "speaks version 99 of the protocol, we 2: install the same simaccel on both sides" in done.stderr


def test_faults_change_while_it_runs() -> None:
    with DeviceProcess(None, "--fault", "fail:op=echo", "--seed", "7", module=SERVE) as device:
        with connect(device.address) as accel:
            assert isinstance(call(accel, "echo", b"1").error, RequestFailed)
            simaccel("inject", "--clear", address=device.address, check=True)
            assert call(accel, "echo", b"2").result == b"2"
            simaccel("inject", "fail:op=sha256", address=device.address, check=True)
            assert call(accel, "echo", b"3").result == b"3"
            assert isinstance(call(accel, "sha256", b"4").error, RequestFailed)
        told = simaccel("stat", address=device.address, check=True).stdout.splitlines()
        assert "fault       fail:op=sha256" in told
        assert any(line.split() == ["fail", "2", "met"] for line in told)
        assert "seed 7" in told[0]
        report = json.loads(simaccel("stat", "--json", address=device.address, check=True).stdout)
        assert report["injected"] == ["fail:op=sha256"]
        assert report["faults"] == {"fail": 2}


def test_watching_until_one_or_the_other_ends() -> None:
    device = DeviceProcess(None, module=SERVE)
    command = [sys.executable, "-m", "simaccel", "stat", "--watch", "--json", "--socket", device.address]
    watchers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for watcher in watchers:
        assert watcher.stdout is not None
        uptimes = [json.loads(watcher.stdout.readline())["uptime_ns"] for _ in range(2)]
        assert uptimes[0] < uptimes[1]
    watchers[0].send_signal(signal.SIGINT)
    _, err = watchers[0].communicate(timeout=WAIT_S)
    assert (watchers[0].returncode, err) == (130, "simaccel: interrupted\n")
    device.close()
    _, err = watchers[1].communicate(timeout=WAIT_S)
    assert watchers[1].returncode == 1
    assert "no device at" in err


def test_it_tells_of_itself_at_intervals_and_at_its_end() -> None:
    device = DeviceProcess(None, "--stats-interval", "0.01", module=SERVE)
    with connect(device.address) as accel:
        call(accel, "sha256", b"")
        assert device.process.stdout is not None
        while "sha256 1" not in (line := device.process.stdout.readline()):
            assert line.startswith(("0 clients", "1 clients"))
    device.process.terminate()
    out, _ = device.process.communicate(timeout=WAIT_S)
    assert out.splitlines()[-1] == "0 clients, 0 in flight, 0 failed: sha256 1"


def test_it_tells_of_full_rings_and_of_times(device: DeviceProcess) -> None:
    rings = SharedRings(device.address, 4, 4096)
    os.kill(device.process.pid, signal.SIGSTOP)  # so that it finds all four at once
    for serial in range(4):
        slot = rings.slot(serial)
        # Submitted at an impossible time: the device must not depend on what a client says.
        rings.submit(serial, wire.Opcode.ECHO, 0, 0, slot, 64, slot, 1024, slot, 0, (0, 2**63, 2**64 - 1, 0)[serial])
    rings.ring_doorbell()
    os.kill(device.process.pid, signal.SIGCONT)
    done = 0
    while done < 4:
        done += len(rings.reap())
    report = device.stat()
    assert report["ring_full"] == 1
    assert report["short"]["service"]["max_ns"] > 0
    assert "at once     queue p50" in simaccel("stat", address=device.address, check=True).stdout
    rings.close()


def test_impossible_times_of_submission_harm_no_worker(device: DeviceProcess) -> None:
    key = rsa_bytes(encoding=Encoding.DER)
    scheme = wire.SCHEME.pack(wire.Padding.PKCS1, wire.Digest.SHA256, 0, 0)
    rings = SharedRings(device.address, 4, 4096)
    slot = rings.slot(0)
    rings.bytes[slot : slot + len(key)] = key
    rings.submit(1, wire.Opcode.KEY_LOAD, 0, 1, slot, len(key), slot, 0, slot, 0, 0)
    slot, aux = rings.slot(1), rings.slot(2)
    rings.bytes[aux : aux + len(scheme)] = scheme
    rings.submit(2, wire.Opcode.RSA_SIGN, 0, 1, slot, 32, slot, 1024, aux, len(scheme), 2**64 - 1)
    rings.ring_doorbell()
    completions: list[Completion] = []
    while len(completions) < 2:
        completions += rings.reap()
    assert [completion.status for completion in completions] == [0, 0]
    assert device.stat()["by_op"] == {"rsa-sign": 1}
    rings.close()


def test_names_may_have_any_letters(toolbox: Toolbox, tmp_path: Path) -> None:
    """The names of the provider and of the socket. Some letters have a meaning in openssl.cnf."""
    folder = tmp_path / "a $b ${c} #d 'e' \"f\" `g` \\h ;i ü"
    folder.mkdir()
    module = folder / "simaccel.so"
    shutil.copy(toolbox.provider, module)
    with DeviceProcess("@" + folder.name, module=SERVE) as device:
        environment = toolbox.environment("") | {"SIMACCEL_MODULE": str(module), "PYTHONPATH": str(ROOT)}
        for name in ("OPENSSL_CONF", "SIMACCEL_SOCKET"):
            del environment[name]
        environment["TMPDIR"] = str(tmp_path)
        printed = [sys.executable, "-m", "simaccel", "openssl", "--config", "--socket", device.address]
        config = tmp_path / "openssl.cnf"
        config.write_bytes(run(printed, environment).stdout)
        request = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", "/dev/null"]
        run(request, environment | {"OPENSSL_CONF": str(config)})
        assert device.stat()["by_op"] == {"ed25519-sign": 1}
