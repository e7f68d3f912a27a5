"""A device that has completed each request before `submit` returns, so that every wake-up comes before its pause."""

from __future__ import annotations

from typing import Any

from sim import Accelerator, VirtualClock


def make_eager(device: Accelerator) -> None:
    """Make a device in virtual time so. An engine that is made after this uses it."""
    submit, clock = device.submit, device.clock
    assert isinstance(clock, VirtualClock)

    def submit_and_wait(request: Any) -> bool:
        taken = submit(request)
        # A server that resumes jobs inside of a callback is inside of a step of the clock.
        while taken and not request.done and not clock.stepping and clock.jump():
            device.poll()
        return taken

    device.submit = submit_and_wait
