"""An old and a new version of simaccel on one machine: one clear line on the side of the client, and it goes on."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from engine import Engine, Scheduler
from sim import UsageError
from simaccel.bridge import NoDeviceError, connect, read_report, wire
from simaccel.cli.exits import FAILED, NO_DEVICE
from simaccel.cli.openssl_setup.diagnosis import diagnose
from simaccel.cli.openssl_setup.running_process import Process, Report
from simaccel.version import __version__
from tests.bridge.commands import simaccel
from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.toolbox import Toolbox
from tests.limits import WAIT_S

CURE = "install the same simaccel on both sides"
OTHERS = [1, 3]
"""An older version than ours and a newer one."""


def answers(version: int) -> bytes:
    """A welcome of that version. What follows its header may be longer than ours."""
    return wire.HEADER.pack(wire.MAGIC, version, wire.Message.WELCOME) + bytes(48)


def refuses(version: int) -> bytes:
    """What a device of that version says to us, if it looks at our version first. Our first ones named no cure."""
    text = f"the device speaks version {version} of the protocol, you {wire.VERSION}"
    return wire.HEADER.pack(wire.MAGIC, version, wire.Message.REFUSED) + text.encode()


@contextmanager
def device(answer: bytes) -> Iterator[str]:
    """The address of a device that answers everybody with these bytes, one after the other."""
    address = fresh_address()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(wire.socket_address(address))
        listener.listen()

        ended = threading.Event()

        def serve() -> None:
            while not ended.is_set():
                with listener.accept()[0] as peer:
                    if peer.recv(4096):
                        peer.send(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield address
        finally:
            ended.set()
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as last:
                last.connect(wire.socket_address(address))
            thread.join()


@pytest.mark.parametrize("version", OTHERS)
@pytest.mark.parametrize("said", [answers, refuses])
def test_python_says_which_versions_meet(said: Callable[[int], bytes], version: int) -> None:
    for client in (connect, read_report):
        with device(said(version)) as address, pytest.raises(NoDeviceError) as raised:
            client(address)
        assert str(raised.value).endswith(f"speaks version {version} of the protocol, we {wire.VERSION}: {CURE}")
        assert address in str(raised.value)


@pytest.mark.parametrize("version", OTHERS)
@pytest.mark.parametrize("said", [answers, refuses])
def test_a_program_says_so_and_works_in_software(toolbox: Toolbox, said: Callable[[int], bytes], version: int) -> None:
    with device(said(version)) as address:
        environment = toolbox.environment(address, trace="yes")
        request = ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-subj", "/CN=x", "-keyout", os.devnull]
        done = subprocess.run(request, env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False)
    assert done.returncode == 0
    told = [line for line in done.stderr.splitlines() if f"speaks version {version} of the protocol" in line]
    assert len(told) == 1
    assert told[0].endswith(CURE)


OTHER_REPORTS = [{}, {"clients": [{"pid": os.getpid()}]}, {"clients": 3}]
"""Of devices that speak our version of the protocol, and count other things."""


@pytest.mark.parametrize("report", OTHER_REPORTS)
def test_a_report_with_other_figures_is_told_in_one_line(report: dict[str, Any]) -> None:
    told = f"is another simaccel than ours, {__version__}, and reports other figures: {CURE}"
    with device(wire.message(wire.Message.REPORT, json.dumps(report).encode())) as address:
        done = simaccel("stat", address=address)
        assert done.returncode == FAILED
        assert done.stderr == f"simaccel: the device at {address} {told}\n"
        said = Report(os.getpid(), 0, "connected", address, 0)
        process = Process(os.getpid(), "x", frozenset({os.getpid()}), "simaccel.so", (), said)
        found = diagnose(process)
    assert found.sentence == f"it is connected, but the device at {address} {told}"


def test_a_device_that_knows_fewer_kernels_does_the_others() -> None:
    with (
        DeviceProcess(module="tests.bridge.older_device") as older,
        connect(older.address) as accel,
        Engine(accel) as engine,
        Scheduler() as scheduler,
    ):
        assert scheduler.map(engine.sha256, [b""])[0].hex()[:8] == "e3b0c442"
        with pytest.raises(UsageError, match=f"for 'ml-kem-768-encapsulate', and simaccel {__version__} can: {CURE}"):
            scheduler.map(partial(engine.call, "ml-kem-768-encapsulate"), [bytes(1184)])


@pytest.mark.parametrize("version", OTHERS)
def test_a_command_says_so_in_one_line(toolbox: Toolbox, version: int) -> None:
    for words, status in ((["stat"], FAILED), (["openssl", "--require-device", "--", "true"], NO_DEVICE)):
        with device(answers(version)) as address:
            done = simaccel(*words, address=address, SIMACCEL_MODULE=str(toolbox.provider))
        assert done.returncode == status
        assert done.stderr.count("\n") == 1
        assert done.stderr.endswith(f"speaks version {version} of the protocol, we {wire.VERSION}: {CURE}\n")
