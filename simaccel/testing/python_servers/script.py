"""What the device does with the requests of a scenario: it holds them, or completes them, in a way that the scenario
says. All of it is done with the device's fault rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sim import Accelerator
from sim.faults import PASS, Hold, Verdict
from sim.faults.installed_faults import Guard


class VirtualScript:
    """The script of one device."""

    def __init__(self, device: Accelerator) -> None:
        self._faults = device.faults
        self._held: list[_Keeper] = []
        """In the order in which their requests came."""
        self._holding = False
        self._verdict: Verdict = PASS
        device.faults.install(lambda request: PASS if self._holding else self._verdict)
        self._next = _Keeper(self)

    def hold(self) -> None:
        """Hold what comes from now on."""
        self._holding = True

    def pass_on(self, verdict: Verdict = PASS) -> None:
        """Complete what comes from now on, as the verdict says. What is held now stays held."""
        self._holding, self._verdict = False, verdict

    def release(self, count: int | None = None, *, order: Sequence[int] = ()) -> None:
        """Complete `count` of the held requests, or all. `order`: the places of those that complete first."""
        first = [self._held[place] for place in order if place < len(self._held)]
        chosen = (first + [keeper for keeper in self._held if keeper not in first])[:count]
        self._held = [keeper for keeper in self._held if keeper not in chosen]
        for keeper in chosen:
            keeper.guard.remove()

    def go(self) -> None:
        """Stop holding: complete everything that is held, and everything that comes."""
        self.pass_on()
        self.release()

    def wake(self) -> int:
        """Wake all jobs whose requests are held, without completing anything. Returns how many were woken."""
        waiting = [keeper.request for keeper in self._held if not keeper.request.done]
        for request in waiting:
            request.wake()
        return len(waiting)

    @property
    def held(self) -> int:
        """How many requests are held."""
        return len(self._held)

    def keep(self, keeper: _Keeper) -> bool:
        """Whether the request that this keeper is asked about shall be held. For `_Keeper`."""
        if self._holding:
            self._held.append(keeper)
            self._next = _Keeper(self)  # which is asked from the next request on
        return self._holding


class _Keeper:
    """A fault rule that holds one request, so that this one can be released without the others."""

    def __init__(self, script: VirtualScript) -> None:
        self.request: Any = None
        self._script = script
        self.guard: Guard = script._faults.install(self)

    def __call__(self, request: Any) -> Verdict:
        if self.request is not None or not self._script.keep(self):
            return PASS
        self.request = request
        return Hold()
