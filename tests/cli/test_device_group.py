"""`simaccel serve --devices N`: several processes, of which one that is killed is started again."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from simaccel.bridge import read_report
from simaccel.fleet import Fleet
from tests.bridge.device import fresh_address
from tests.cli.cli import Cli, command, environment
from tests.limits import WAIT_NS, WAIT_S
from tests.waiting import wait_until


def test_a_killed_device_is_started_again_and_a_fleet_goes_on() -> None:
    address = fresh_address()
    words = command("serve", "--socket", address, "--devices", "2", "--fault", "delay:by=1us", "--units", "3")
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()) as group:
        assert group.stdout is not None
        assert group.stderr is not None
        try:
            assert group.stdout.readline() == f"serving at {address}-1, {address}-2\n"
            addresses = f"{address}-1", f"{address}-2"
            with Fleet(addresses, retry_ns=50_000_000, patience_ns=WAIT_NS) as fleet:
                member = fleet.members[1]
                (client,) = read_report(f"{address}-2")["clients"]
                assert client["pid"] == os.getpid()
                os.kill(_pid_at(f"{address}-2"), signal.SIGKILL)
                wait_until(lambda: member.ups)  # counted, because it may be down and up again between two looks
                assert member.downs == 1
            told = group.stderr.readline()
            assert told == f"simaccel: the device at {address}-2 ended with -9: it is started again\n"
        finally:
            group.terminate()
        out, err = group.communicate(timeout=WAIT_S)
    assert (group.returncode, err) == (0, "")
    assert out.count(" in flight, 0 failed: ") == 2


def _pid_at(address: str) -> int:
    """Of the process that serves there."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if f"--socket\0{address}\0".encode() in (process / "cmdline").read_bytes():  # others may have any bytes
                return int(process.name)
    raise AssertionError(f"nobody serves at {address}")


@pytest.mark.parametrize(
    ("arguments", "value", "cure"),
    [
        (["--devices", "0"], "--devices 0", "from 1 to 8"),
        (["--devices", "9"], "--devices 9", "from 1 to 8"),
        (["--devices", "2", "--socket", "@" + "x" * 106], "x" * 20, "107"),
        (["--devices", "2", "--latency", "fixed:soon"], "soon", "such as 50us"),
        (["--devices", "2", "--metrics", "127.0.0.1:1"], "--metrics 127.0.0.1:1", "each device by itself"),
    ],
)
def test_bad_input(cli: Cli, arguments: list[str], value: str, cure: str) -> None:
    run = cli("serve", *arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert value in line
    assert cure in line
