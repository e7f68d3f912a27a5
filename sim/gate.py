"""What may stand between a request and the device: a refusal, or a hook.

Normally a request goes straight onto the ring, is fetched, does its work and completes. Two things change that. The
device may refuse everything, because it was closed, was removed or has crashed. And somebody may watch and change what
happens to requests: fault rules and traces do so through a `Hook`, which the device calls at each step of a request's
way. The device knows this protocol alone, and nothing of faults.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Protocol

from sim.errors import SimError
from sim.request import Submittable


class Hook(Protocol):
    """What a device calls instead of its own fast steps once a hook is installed.

    `arrive` and `swallow_ring` are called in the thread that submits, the others in the thread that steps the device.
    """

    def arrive(self, request: Submittable) -> bool:
        """A request is submitted: put it onto the submission ring. False: it gets no slot, as with a full ring.

        May raise instead; then nothing was submitted.
        """
        ...

    def swallow_ring(self) -> bool:
        """The doorbell is rung: whether this ring has no effect."""
        ...

    def assign(self, request: Submittable, now_ns: int) -> None:
        """The device has fetched a request: give it a place on the schedule with `Device.place`."""
        ...

    def retire(self, now_ns: int) -> None:
        """Complete what is due on the schedule."""
        ...

    def forget(self, requests: Iterable[Submittable]) -> None:
        """All that is in flight fails now. These requests were submitted but not fetched, and never will be."""
        ...

    def note(self, what: str, request: Submittable | None = None, detail: str = "") -> None:
        """Something happened, for the trace. See `sim.trace`."""
        ...


class Gate:
    """The refusal and the hook of one device, and the lock of those who submit to it. Any thread."""

    __slots__ = ("checks_submits", "hook", "lock", "refusal")

    def __init__(self) -> None:
        self.lock = threading.RLock()
        """The producers' lock: held to put a request onto the ring, and to change this gate. It is held for a few steps
        at a time, and never while something is called that is not ours. An RLock because a signal handler or a
        finalizer may come in between and submit. In the child of a fork it is replaced."""
        self.hook: Hook | None = None
        """None, and then it costs nothing, without fault rules and without a trace. Never removed again."""
        self.refusal: SimError | None = None
        """Why nothing may be submitted any more; None as long as it may. Changed by `change_refusal`."""
        self.checks_submits = False
        """Whether a submit must look at the two above. Submits look at this alone as long as it is False."""

    def change_refusal(self, why: SimError | None, instead_of: SimError | None) -> bool:
        """Refuse every submit from now on for that reason, or with None accept submits again.

        The caller holds the lock. Returns False and changes nothing if the present refusal is not `instead_of`: then
        the caller must look again.
        """
        # Nothing is called in here, so no signal handler that closes the accelerator can come in between.
        if self.refusal is not instead_of:
            return False
        self.refusal = why
        self.checks_submits = why is not None or self.hook is not None
        return True
