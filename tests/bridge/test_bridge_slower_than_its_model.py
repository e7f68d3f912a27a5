"""`simaccel serve` with a timing model that the software can't keep up with says so, and names the cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from simaccel.bridge import connect
from simaccel.cli.model_lateness import LateWatch
from tests.bridge.commands import simaccel
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.test_bridge_connect import call
from tests.keys import rsa_key


def test_it_is_told_once_and_shown_by_stat(tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    device = DeviceProcess(None, "--latency", "fixed:1ns", module=SERVE, errors=errors)
    with connect(device.address) as accel:
        key = accel.session("rsa-sign", rsa_key(4096))  # which takes milliseconds
        for _ in range(3):
            assert call(accel, "rsa-sign", b"message", key).error is None
        told = simaccel("stat", address=device.address, check=True).stdout
    assert device.close() == 0
    (line,) = errors.read_text().splitlines()
    assert line.startswith("simaccel: ")
    assert " operations completed later than --latency fixed:1ns says, by " in line
    assert line.endswith("use more --workers, fewer --units, or a slower model")
    assert "3 later than the model says" in told


@pytest.mark.parametrize(("count", "told"), [((0, 0, 0), False), ((1, 100, 9), False), ((2, 100, 9), True)])
def test_from_one_in_a_hundred_on(count: tuple[int, int, int], told: bool, capsys: pytest.CaptureFixture[str]) -> None:
    watch = LateWatch(lambda: count, "fixed:1us")
    watch.start()
    watch.end()
    assert bool(capsys.readouterr().err) is told
