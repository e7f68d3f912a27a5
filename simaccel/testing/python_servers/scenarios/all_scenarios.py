"""All scenarios, in the order in which they are played."""

from __future__ import annotations

from collections.abc import Sequence

import sim
from engine.errors import UsageError
from simaccel.certify.catalogue import chosen_names
from simaccel.testing.python_servers.scenarios import aborts, device_trouble, lifecycle, offload, rush, wakes
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario

SCENARIOS: tuple[VirtualScenario, ...] = (
    *offload.SCENARIOS,
    *aborts.SCENARIOS,
    *wakes.SCENARIOS,
    *device_trouble.SCENARIOS,
    *lifecycle.SCENARIOS,
    *rush.SCENARIOS,
)


def chosen(names: Sequence[str]) -> tuple[VirtualScenario, ...]:
    """The scenarios with these names, in the table's order, or all. Raises UsageError for an unknown name."""
    try:
        wanted = chosen_names(names, [scenario.name for scenario in SCENARIOS])
    except sim.UsageError as error:
        raise UsageError(str(error)) from None
    return tuple(scenario for scenario in SCENARIOS if scenario.name in wanted)
