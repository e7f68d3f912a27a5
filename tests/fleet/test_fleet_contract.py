"""A fleet is an accelerator like any other: it passes the contract suite, and jobs and asyncio run on it unchanged."""

from __future__ import annotations

import pytest

from sim import Accelerator, VirtualClock
from simaccel.bridge import connect
from simaccel.fleet import POLICIES, Fleet
from simaccel.testing import check_accelerator
from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.test_bridge_contract import SESSIONS
from tests.limits import WAIT_NS


def virtual(policy: str, members: int, *, software: bool) -> Fleet:
    clock = VirtualClock()
    accels = [Accelerator(4, latency="uniform:5us,50us", clock=clock, seed=number) for number in range(members)]
    return Fleet(accels, policy, software=software)


@pytest.mark.parametrize("policy", POLICIES)
def test_in_virtual_time(policy: str) -> None:
    check_accelerator(lambda: virtual(policy, 3, software=False), sessions=SESSIONS)


@pytest.mark.parametrize(("members", "software"), [(1, False), (2, True)])
def test_in_real_time(members: int, software: bool) -> None:
    check_accelerator(
        lambda: Fleet([Accelerator(4) for _ in range(members)], software=software, patience_ns=WAIT_NS),
        sessions=SESSIONS,
    )


def test_with_device_processes() -> None:
    with DeviceProcess(None, module=SERVE) as first, DeviceProcess(None, module=SERVE) as second:
        addresses = first.address, second.address
        check_accelerator(
            lambda: Fleet([*addresses, lambda: connect(addresses[0])], depth=4, patience_ns=WAIT_NS),
            sessions=SESSIONS,
        )
