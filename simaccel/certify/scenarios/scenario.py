"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from simaccel.certify.stage import Stage


class For(Enum):
    """Which servers a scenario says something about."""

    ALL = auto()
    """All that use the device."""
    PAUSING = auto()
    """Those whose jobs pause."""
    PARALLEL = auto()
    """Those that serve several paused handshakes at the same time."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way in which servers have been broken. docs/certify.md has a section for each, under its name."""

    name: str
    what: str
    """One line for the table."""
    play: Callable[[Stage], None]
    """Does it, and raises Failed, or DoesNotApply. Afterwards `Stage.calm` must hold too."""
    whom: For = For.PAUSING
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the provider in the server, besides `BASE`."""


BASE: Mapping[str, object] = {"deadline_ms": 0}
"""No deadline, so that nothing counts as lost because a machine is slow."""
