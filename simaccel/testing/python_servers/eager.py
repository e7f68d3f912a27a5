"""A device that has completed each request before `submit` returns, so that every wake-up comes before its pause."""

from __future__ import annotations

from typing import Any

from sim import Accelerator, VirtualClock


def make_eager(device: Accelerator) -> None:
    """Make this device, which is in virtual time, complete each request before its `submit` returns.

    Call this before an engine is made on the device, because the engine keeps the `submit` that it finds.
    """
    submit, clock = device.submit, device.clock
    assert isinstance(clock, VirtualClock)

    def submit_and_wait(request: Any) -> bool:
        taken = submit(request)
        # A server that resumes jobs inside of a callback is inside of a step of the clock.
        while taken and not request.done and not clock.stepping and clock.jump():
            device.poll()
        return taken

    device.submit = submit_and_wait
