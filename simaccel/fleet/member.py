"""One member of a fleet: an accelerator, whether it is up, and what was noticed of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

WINDOW, ENOUGH = 32, 8
"""The error rate is that of the last 32 completions. With fewer than 8, it means nothing."""
MOST_ERRORS = 0.5

Make = Callable[[], Any]


class Member:
    """Its fields are guarded by the fleet's lock. Equal only to itself."""

    def __init__(self, name: str, accel: Any, make: Make | None, *, is_software: bool = False) -> None:
        self.name = name
        self.accel = accel
        """None until `make` has made it."""
        self.make = make
        """Makes the accelerator anew if it is gone for good, like a lost connection. None: it comes back by itself."""
        self.is_software = is_software
        self.up = accel is not None
        self.why_down = "" if self.up else "it was not there at the start"
        self.gone = accel is None
        """Whether it has refused a request, so that it has to be made anew, or plugged in, before it is asked again."""
        self.outstanding: dict[Any, None] = {}
        """Attempts that it has not completed and that were not given up, oldest first."""
        self.moved_ns = 0
        """When it last completed something, or got something to do after it had nothing."""
        self.probe: Any = None
        """The probe that it was sent and has not completed."""
        self.answered = False
        """Whether it has answered a probe while it was down."""
        self.retry_at_ns = 0
        """While it is down: when it is asked next whether it is back."""
        self.downs = self.ups = self.failovers = 0
        """How often it went down and came back, and how many of its requests were then given to others."""
        self._errors: deque[bool] = deque(maxlen=WINDOW)

    @property
    def free_slots(self) -> int:
        """How many requests its ring would take now; 0 while it is down."""
        return self.accel.free_slots if self.up else 0

    def note(self, *, failed: bool) -> bool:
        """It has completed a request. Returns whether its error rate is too high."""
        errors = self._errors
        errors.append(failed)
        return failed and len(errors) >= ENOUGH and sum(errors) >= MOST_ERRORS * len(errors)

    def went_down(self, why: str, retry_at_ns: int) -> None:
        """From now on it gets nothing but probes."""
        self.up, self.answered, self.why_down, self.retry_at_ns = False, False, why, retry_at_ns
        self.downs += 1
        self._errors.clear()

    def came_up(self, now_ns: int) -> None:
        """Requests go there again."""
        self.up, self.gone, self.answered, self.why_down, self.moved_ns = True, False, False, "", now_ns
        self.ups += 1

    def __repr__(self) -> str:
        return f"<Member {self.name}, {'up' if self.up else f'down: {self.why_down}'}>"
