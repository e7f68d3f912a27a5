"""Clients that do all they can with the fds that the device gave them: it serves the others all the same."""

from __future__ import annotations

import fcntl
import os
import select
from contextlib import suppress

import pytest

from sim import connect
from sim.bridge.shared import SharedRings
from sim.bridge.wire import AT_NO_INTERRUPT, Operation
from tests.real.device import SERVE, DeviceProcess
from tests.real.test_real_connect import call

FULL = 2**64 - 2
"""The most that an eventfd counts to: one more is a write that blocks, or would."""


def submit(rings: SharedRings, serial: int, operation: Operation) -> None:
    slot = rings.slot(serial % rings.layout.entries)
    rings.submit(serial, operation, 0, 0, slot, 64, slot, 1024, slot, 0, 0)
    with suppress(BlockingIOError):
        rings.ring_doorbell()


@pytest.mark.parametrize("way", ["at once", "by workers"])
def test_a_client_that_makes_its_fds_blocking_and_full_holds_nobody_up(way: str) -> None:
    options = ("--latency", "fixed:1ns") if way == "by workers" else ()
    with DeviceProcess(None, *options, module=SERVE) as device:
        hostile = SharedRings(device.address, 4, 4096)
        for fd in (hostile.doorbell, hostile.interrupt):
            fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) & ~os.O_NONBLOCK)
        with suppress(OSError):
            os.eventfd_write(hostile.interrupt, FULL)
        for serial in range(4):
            submit(hostile, serial, Operation.ECHO)
        while not hostile.reap():  # so that the device has met it
            pass
        with connect(device.address) as accel:
            assert all(call(accel, "echo", b"honest").result == b"honest" for _ in range(100))
        assert device.stat()["clients"][0]["completed"] > 0
        hostile.close()


def test_an_interrupt_is_seen_until_it_is_acknowledged(device: DeviceProcess) -> None:
    rings = SharedRings(device.address, 8, 4096)
    poller = select.poll()
    poller.register(rings.interrupt, select.POLLIN)
    for serial in range(20):
        submit(rings, serial, Operation.ECHO)
        assert poller.poll(60_000)
        assert poller.poll(0)
        for _ in range(2):
            rings.acknowledge()
            assert poller.poll(0) == []
        assert len(rings.reap()) == 1
    rings.bytes.cast("Q")[AT_NO_INTERRUPT // 8] = 1
    submit(rings, 20, Operation.ECHO)
    while not rings.reap():
        pass
    assert poller.poll(0) == []
    rings.close()
