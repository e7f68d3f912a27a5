"""The gate: what may stand between a request and the device, a refusal or a hook.

Normally a request goes straight onto the ring, is fetched, gets its work done and completes. Two things change that.
The device may refuse all requests, because it was closed, was removed or has crashed. And fault rules and traces may
watch and change what happens to a request. They do so through a `Hook`, which the device calls at each step of the
request's way. The device knows only this protocol, and nothing of faults.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from hotpath.submittable import Submittable
from sim.errors import SimError


class Hook(Protocol):
    """What a device calls instead of its own fast steps once a hook is installed.

    `arrive` and `swallow_ring` are called in the thread that submits, the others in the thread that steps the device.
    """

    def arrive(self, request: Submittable) -> bool:
        """Put a request that is being submitted onto the submission ring.

        Returns False if it gets no slot, as if the ring were full. May raise instead; then nothing was submitted.
        """
        ...

    def swallow_ring(self) -> bool:
        """The doorbell is being rung. Returns whether the device must not hear it this time."""
        ...

    def assign(self, request: Submittable, now_ns: int) -> None:
        """Put a request that the device has fetched onto the schedule, with the times from `Device.place`."""
        ...

    def retire(self, now_ns: int) -> None:
        """Complete what is due on the schedule."""
        ...

    def forget(self, requests: Iterable[Submittable]) -> None:
        """Forget these requests: they were submitted, but the device fails them now instead of fetching them."""
        ...

    def note(self, what: str, request: Submittable | None = None, *details: object) -> None:
        """Put an event into the trace. See `sim.trace`."""
        ...


class Gate:
    """The refusal and the hook of one device, and the lock of those who submit to it. Any thread."""

    __slots__ = ("checks_submits", "hook", "lock", "refusal")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """The lock of the threads that submit. It is held to put a request onto the ring and to change this gate, for a
        few steps at a time, and never while code is called that is not ours. It is an RLock because a signal handler or
        a finalizer may run in the middle of this and submit too. In the child of a fork it is replaced."""
        self.hook: Hook | None = None
        """None as long as there are no fault rules and no trace; then it costs nothing. Once set, it stays."""
        self.refusal: SimError | None = None
        """Why nothing may be submitted; None if requests may be. Only `change_refusal` changes it."""
        self.checks_submits = False
        """Whether there is a hook or a refusal. As long as this is False, a submit looks at neither."""

    def change_refusal(self, why: SimError | None, instead_of: SimError | None) -> bool:
        """Refuse every submit from now on for that reason, or with None accept submits again.

        The caller holds the lock. If the present refusal is not `instead_of`, this changes nothing and returns False:
        somebody else has changed it meanwhile, so the caller must look again.
        """
        # Nothing is called in here, so no signal handler that closes the accelerator can run in the middle of it.
        if self.refusal is not instead_of:
            return False
        self.refusal = why
        self.checks_submits = why is not None or self.hook is not None
        return True
