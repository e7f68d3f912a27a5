"""All scenarios, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Sequence

from simaccel.certify.catalogue import chosen_names
from simaccel.certify.scenarios import aborts, device_trouble, handshake_kinds, lifecycle, offload, rush, wakes
from simaccel.certify.scenarios.scenario import ServerScenario

SCENARIOS: tuple[ServerScenario, ...] = (
    *offload.SCENARIOS,
    *aborts.SCENARIOS,
    *wakes.SCENARIOS,
    *device_trouble.SCENARIOS,
    *lifecycle.SCENARIOS,
    *rush.SCENARIOS,
    *handshake_kinds.SCENARIOS,
)


def chosen(names: Sequence[str]) -> tuple[ServerScenario, ...]:
    """The scenarios with these names, in the table's order, or all. Raises UsageError for an unknown name."""
    wanted = chosen_names(names, [scenario.name for scenario in SCENARIOS])
    return tuple(scenario for scenario in SCENARIOS if scenario.name in wanted)
