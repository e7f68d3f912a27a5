"""A device ends by SIGTERM and SIGINT, whichever of its threads the kernel gives the signal to."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

import pytest

from tests.bridge.device import SERVE, DeviceProcess, fresh_address
from tests.limits import WAIT_S
from tests.waiting import wait_until

_libc = ctypes.CDLL(None, use_errno=True)


@pytest.mark.parametrize(
    ("module", "more", "number"),
    [
        ("simaccel.bridge", (), signal.SIGTERM),
        (SERVE, (), signal.SIGTERM),
        (SERVE, (), signal.SIGINT),
        (SERVE, ("--devices", "2"), signal.SIGTERM),
    ],
    ids=["bridge", "serve", "serve-SIGINT", "group"],
)
def test_a_signal_to_another_thread_ends_the_device(module: str, more: tuple[str, ...], number: signal.Signals) -> None:
    """Python's handlers run in the main thread, and such a signal does not wake that."""
    with DeviceProcess(fresh_address(), *more, module=module) as device:
        pid = device.process.pid
        # Awake, the main thread would see the signal by itself.
        wait_until(lambda: state(pid) == "S" and len(os.listdir(f"/proc/{pid}/task")) > 1)
        other = next(int(tid) for tid in os.listdir(f"/proc/{pid}/task") if int(tid) != pid)
        assert _libc.tgkill(pid, other, number) == 0
        assert device.process.wait(WAIT_S) == 0
        assert device.process.stdout is not None
        device.process.stdout.close()


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
