"""Faults of the device core, as they reach the provider: no wrong result is taken for a good one."""

from __future__ import annotations

import pytest

from simaccel.bridge import inject, read_report
from simaccel.bridge.remote import NoDeviceError
from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import Toolbox
from tests.effort import pairs

COUNT = 400
KINDS = "ecdsa,rsa-pkcs1,x25519,rsa-oaep"


SEEN_BY = {
    "fail:every=7": "failed",
    "corrupt:every=5": "damaged",
    "lose:every=20": "expired",
    "delay:by=1s,every=20": "expired",
    "delay:by=5ms,every=3": None,
    "duplicate:every=4": None,
    "reorder:past=3,every=4": None,
    "reject:as=eagain,every=9": "failed",
    "reject:as=fatal,every=9": "failed",
    "stall:for=5ms,every=50": None,
    "reset:nth=40": "failed",
}
"""The provider's counter that tells of each fault. With None no operation may be done in software."""


@pytest.mark.parametrize(("fault", "mode"), pairs([*SEEN_BY], ["fd", "callback", "blocking"]))
def test_faults_of_the_core(toolbox: Toolbox, device: DeviceProcess, fault: str, mode: str) -> None:
    seen = SEEN_BY[fault]
    inject(device.address, fault)
    # Short only where it is to pass: a machine that stalls for so long must change nothing elsewhere.
    short = {"deadline_ms": 500} if seen == "expired" else {}
    counted = toolbox.run_jobs(device.address, mode, 8, COUNT, KINDS, entries=64, **short)
    assert counted["good"] == COUNT
    assert counted["offloaded"] > 0
    if seen is None:
        assert counted["offloaded"] == COUNT
    else:
        assert counted[seen] > 0
    report = read_report(device.address)
    assert sum(report["faults"].values()) > 0


def test_faults_are_removed_while_it_runs(toolbox: Toolbox, device: DeviceProcess) -> None:
    inject(device.address, "fail")
    failed = toolbox.run_jobs(device.address, "fd", 8, 40, "ecdsa")
    inject(device.address, "")
    well = toolbox.run_jobs(device.address, "fd", 8, 40, "ecdsa")
    assert failed["offloaded"] == 0
    assert failed["software"] == well["offloaded"] == 40


def test_a_fault_that_is_none_is_refused(device: DeviceProcess) -> None:
    with pytest.raises(NoDeviceError, match=r"refused: .*explode"):
        inject(device.address, "explode:every=3")
    assert read_report(device.address)["faults"] == {}
