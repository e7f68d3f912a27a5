"""What `simaccel serve` tells an operator: by level, and as JSON."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime

import pytest

from engine import Engine
from simaccel.bridge import connect
from simaccel.cli.service_log import LEVELS, ServiceLog
from tests.bridge.device import fresh_address
from tests.cli.cli import Cli, command, environment
from tests.limits import WAIT_S


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_shows_itself_and_what_is_graver(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    log = ServiceLog("@x", level)
    log.announce("serving", "serving at @x")
    log.info("event", "all is well")
    log.warning("event", "look here")
    log.error("event", "it failed")
    out, err = capsys.readouterr()
    assert out.splitlines() == ["serving at @x", "all is well"][: 2 if level == "info" else 1]
    assert err.splitlines() == ["simaccel: look here", "simaccel: it failed"][1 if level == "error" else 0 :]


def test_json_has_the_time_the_level_the_event_and_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    log = ServiceLog("@x", "warning", as_json=True)
    log.info("event", "all is well")
    log.warning("refused", "refused pid 7\nof nobody", pid=7)
    log.relay("@x-1", '{"event": "of a child"}')
    out, err = capsys.readouterr()
    assert out == '{"event": "of a child"}\n'
    entry = json.loads(err)
    assert datetime.fromisoformat(entry.pop("time")).utcoffset() is not None
    assert entry == {
        "level": "warning",
        "event": "refused",
        "device": "@x",
        "message": "refused pid 7\nof nobody",
        "pid": 7,
    }
    assert err.count("\n") == 1


@pytest.mark.parametrize("devices", [1, 2])
def test_every_line_of_a_device_is_json(devices: int) -> None:
    address = fresh_address()
    first = address if devices == 1 else f"{address}-1"
    words = command("serve", "--socket", address, "--devices", str(devices), "--log-json")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as device:
        try:
            assert device.stdout is not None
            entries = [json.loads(device.stdout.readline())]
            with connect(first) as accel, Engine(accel) as engine:
                engine.call("sha256", b"abc")
        finally:
            device.terminate()
        out, err = device.communicate(timeout=WAIT_S)
    assert (device.returncode, err) == (0, "")
    entries += map(json.loads, out.splitlines())
    assert [entry["event"] for entry in entries] == ["serving"] + ["statistics"] * devices
    (counted,) = (entry for entry in entries[1:] if entry["device"] == first)
    assert (counted["by_op"], counted["failed"]) == ({"sha256": 1}, 0)


def test_an_unknown_level(cli: Cli) -> None:
    run = cli("serve", "--log-level", "loud")
    assert (run.code, run.errors) == (2, ["simaccel: --log-level loud: use one of error, warning, info"])
