"""A device process with hostile clients: it goes on, and an honest client notices nothing."""

from __future__ import annotations

import os
import subprocess
import sys

from simaccel.bridge import connect
from tests.bridge.device import DeviceProcess
from tests.bridge.fuzz import SECRET
from tests.bridge.test_bridge_connect import call

CASES = int(os.environ.get("SIMACCEL_FUZZ_CASES", "10000"))
SEED = int(os.environ.get("SIMACCEL_FUZZ_SEED", "1"))


def test_hostile_clients_harm_nobody_else(device: DeviceProcess) -> None:
    command = [sys.executable, "-m", "tests.bridge.fuzz", device.address, str(SEED), str(CASES)]
    served = 0
    with connect(device.address, slot_bytes=4096) as accel:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None:
            request = call(accel, "echo", SECRET)
            assert request.result == SECRET
            served += 1
        out, err = process.communicate()
        assert process.returncode == 0, f"seed {SEED}: {out}{err}"
        report = device.stat()
    assert served > 100
    assert report["violations"] > 0
    assert report["refused"] > 0
    assert len(report["clients"]) == 1
    assert report["in_flight"] == 0
