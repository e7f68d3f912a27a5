"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from simaccel.certify.catalogue import CATALOGUE
from simaccel.certify.manner import For
from simaccel.certify.patience import CONNECT_MS
from simaccel.certify.stage import Stage


@dataclass(frozen=True, slots=True)
class ServerScenario:
    """What is done to a TLS server in one of the scenarios of the catalogue."""

    name: str
    play: Callable[[Stage], None]
    """Plays the scenario. Raises Failed or DoesNotApply. After it, `Stage.calm` must hold too."""
    whom: For = For.PAUSING
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the provider in the server, besides `BASE`."""

    @property
    def what(self) -> str:
        """One line for the table."""
        return CATALOGUE[self.name].what


BASE: Mapping[str, object] = {"deadline_ms": 0, "connect_ms": CONNECT_MS}
"""No deadline, so that nothing counts as lost because a machine is slow, and the longest wait for the device to let the
server in. Without these, a server would work in software for a while, and be judged by that."""
