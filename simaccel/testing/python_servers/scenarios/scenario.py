"""What a scenario is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from simaccel.certify.manner import For
from simaccel.testing.python_servers.stage import VirtualStage


@dataclass(frozen=True, slots=True)
class VirtualScenario:
    """What is done to a server in Python in one of the scenarios of the catalogue."""

    name: str
    play: Callable[[VirtualStage], None]
    """Plays the scenario. Raises Failed or DoesNotApply. After it, `VirtualStage.calm` must hold too."""
    whom: For = For.PAUSING
    settings: tuple[Mapping[str, Any], ...] = ({},)
    """Options of the `Accel`. It is played once with each."""
    software: bool = True
    """Whether handshakes do by themselves what the device does not do."""
    eager: bool = False
    """Whether the device completes each request before its submit returns."""
