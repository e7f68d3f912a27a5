"""All scenarios, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from sim import UsageError
from simaccel.certify.scenarios import aborts, device_trouble, handshake_kinds, lifecycle, offload, rush, wakes
from simaccel.certify.scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *offload.SCENARIOS,
    *aborts.SCENARIOS,
    *wakes.SCENARIOS,
    *device_trouble.SCENARIOS,
    *lifecycle.SCENARIOS,
    *rush.SCENARIOS,
    *handshake_kinds.SCENARIOS,
)


def chosen(names: Sequence[str]) -> tuple[Scenario, ...]:
    """The scenarios with these names, in the table's order, or all. Raises UsageError for an unknown name."""
    known = [scenario.name for scenario in SCENARIOS]
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            raise UsageError(
                f"there is no scenario {name!r}: "
                + (f"did you mean {close[0]}?" if close else f"use one of {', '.join(known)}")
            )
    return tuple(scenario for scenario in SCENARIOS if not names or scenario.name in names)
