"""The provider against a device that is broken or hostile: never a wrong result, never a hang, never a crash."""

from __future__ import annotations

import signal
import socket

import pytest

from simaccel.bridge import wire
from tests.bridge.device import DeviceProcess, fresh_address
from tests.bridge.faulty_device import BEFORE_SILENCE, FAULTS, PLAIN_INTERRUPT, WELCOMES
from tests.bridge.toolbox import Toolbox, end_jobs, finish
from tests.effort import pairs, some
from tests.waiting import wait_until

COUNT = 400
KINDS = "ecdsa,rsa-pkcs1,x25519,rsa-oaep"

_SEEN_BY = {
    "wild_index": "gone",
    "backward_index": "gone",
    "wrong_cookie": "stray",
    "wild_length": "failed",
    "lost": "expired",
    "silent": "expired",
    "late": "stray",
    "failed": "failed",
    "unknown_key": "failed",
    "damaged": "damaged",
    "dies": "gone",
}
"""The provider's counter that tells of the fault. A duplicate may come when the slot is in other hands already."""


_LOSES = {"wrong_cookie", "lost", "silent", "late"}
"""Those that lose operations, which then end at the deadline. With the others none may, however slow the machine is:
once their deadlines have passed, none is in flight that could count as gone."""


def _deadline(fault: str) -> dict[str, int]:
    return {"deadline_ms": 100} if fault in _LOSES else {}


@pytest.mark.parametrize(("fault", "mode"), pairs([*FAULTS], ["fd", "callback", "blocking"]))
def test_no_wrong_result_comes_out_as_good(toolbox: Toolbox, mode: str, fault: str) -> None:
    device = DeviceProcess(None, fault, module="tests.bridge.faulty_device")
    settings = {"entries": 16, **_deadline(fault)}
    try:
        if _SEEN_BY.get(fault) == "stray":  # how many operations that takes is a matter of time
            process = toolbox.start_jobs(device.address, mode, 8, 0, KINDS, **settings)
            wait_until(lambda: device.stat()["told"].get("stray"), process)
            counted = end_jobs(process)
        else:
            counted = toolbox.run_jobs(device.address, mode, 8, COUNT, KINDS, **settings)
            assert counted["good"] == COUNT
    finally:
        device.kill()
    assert counted["offloaded"] + counted["software"] >= counted["good"]
    if fault in _SEEN_BY:
        assert counted[_SEEN_BY[fault]] > 0


@pytest.mark.parametrize("fault", ["damaged", "failed", "lost", "wild_index"])
def test_without_fallback_the_job_is_told(toolbox: Toolbox, fault: str) -> None:
    device = DeviceProcess(None, fault, module="tests.bridge.faulty_device")
    try:
        counted = toolbox.run_jobs(device.address, "fd", 8, COUNT, KINDS, entries=16, fallback="no", **_deadline(fault))
    finally:
        device.kill()
    assert counted["good"] + counted["errors"] == COUNT
    assert counted["errors"] == counted["err_status"] > 0


@pytest.mark.parametrize("fault", ["wild_index", "wrong_cookie", "wild_length", "damaged", "duplicate", "late"])
def test_sanitizers_find_nothing_under_a_hostile_device(sanitized: Toolbox, fault: str) -> None:
    device = DeviceProcess(None, fault, module="tests.bridge.faulty_device")
    try:
        counted = sanitized.run_jobs(device.address, "fd", 8, COUNT, KINDS, entries=16, **_deadline(fault))
    finally:
        device.kill()
    assert counted["good"] == COUNT


@pytest.mark.parametrize("fault", WELCOMES)
def test_a_welcome_that_is_not_right_is_no_device(toolbox: Toolbox, fault: str) -> None:
    device = DeviceProcess(None, fault, module="tests.bridge.faulty_device")
    try:
        counted = toolbox.run_jobs(device.address, "fd", 2, 12)
    finally:
        device.kill()
    assert counted["good"] == counted["software"] == 12
    assert counted["connects"] == 0


def test_an_interrupt_that_is_none_is_no_device(toolbox: Toolbox) -> None:
    device = DeviceProcess(None, PLAIN_INTERRUPT, module="tests.bridge.faulty_device")
    try:
        counted = toolbox.run_jobs(device.address, "fd", 2, 50)
    finally:
        device.kill()
    assert counted["good"] == counted["software"] == 50
    assert counted["connects"] == 0


def test_a_device_that_says_nothing_delays_but_does_not_hang(toolbox: Toolbox) -> None:
    address = fresh_address()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as silent:
        silent.bind(wire.socket_address(address))
        silent.listen(8)
        process = toolbox.start_jobs(address, "fd", 2, 12, connect_ms=500)

        def ended_meanwhile() -> bool:
            """A process that is stopped and goes on sees a signal. These do not make it wait anew."""
            process.send_signal(signal.SIGSTOP)
            process.send_signal(signal.SIGCONT)
            return process.poll() is not None

        wait_until(ended_meanwhile)
        counted = finish(process)
    assert counted["good"] == counted["software"] == 12


@pytest.mark.parametrize("mode", some(["fd", "fd+", "callback", "blocking"], 1))
def test_after_one_lost_completion_the_next_is_not_waited_for_as_long(toolbox: Toolbox, mode: str) -> None:
    # One after the other, with nothing coming back: 30 times the deadline would be far beyond the program's watchdog.
    device = DeviceProcess(None, "silent", module="tests.bridge.faulty_device")
    try:
        counted = toolbox.run_jobs(device.address, mode, 1, BEFORE_SILENCE + 30, "ecdsa", deadline_ms=5000)
    finally:
        device.kill()
    assert counted["good"] == BEFORE_SILENCE + 30
    # The key took one completion.
    assert counted["expired"] == counted["software"] == 31
