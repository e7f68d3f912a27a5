"""What both judges know of a server before they judge it: how it waits for the device, and which scenarios that leaves.

Also here: the two ways in which a scenario ends early, and the numbers that both judges share.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

FEW = 8
"""Clients at a time, where a scenario needs several."""
CLIENTS = 24
"""Clients at a time, where a scenario needs more than a ring has slots."""
HANDSHAKES = 16
"""How many handshakes `offload` counts."""
ROUNDS = 4
"""How often the scenarios of aborts repeat what they do."""
WAKES = 4
"""How often an operation is woken for nothing in `many-pauses`."""
PROBED = 4
"""A server counts as parallel if it has this many handshakes paused at the same time."""
SLACK_FDS = 4
"""How many more fds are allowed, because a server may open some files late. A leak has at least FEW, one for each
connection."""


class Failed(Exception):
    """The server did not do what must hold. The message says what was seen."""


class DoesNotApply(Exception):
    """The scenario says nothing about this server. The message says why."""


class Way(StrEnum):
    """How the server waits for the device."""

    PAUSES = "its jobs pause"
    BLOCKS = "it blocks"
    UNUSED = "it does not use the device"


@dataclass(frozen=True, slots=True)
class Manner:
    """What the scenarios must know about how the server works."""

    way: Way
    parallel: bool
    """Whether several handshakes can be paused at a time."""
    why: str = ""
    """Why it does not use the device."""

    @property
    def summary(self) -> str:
        """In words."""
        serial = ", one handshake at a time" if self.way is Way.PAUSES and not self.parallel else ""
        return f"{self.way.value}{serial}" + (f": {self.why}" if self.why else "")


class For(Enum):
    """Which servers a scenario says something about."""

    ALL = auto()
    """All that use the device."""
    PAUSING = auto()
    """Those whose jobs pause."""
    PARALLEL = auto()
    """Those that serve several paused handshakes at the same time."""


def check_applies(name: str, whom: For, manner: Manner) -> None:
    """Raises DoesNotApply if the scenario of that name says nothing about such a server; Failed if it is `offload`, and
    the server does not use the device."""
    if manner.way is Way.UNUSED:
        if name == "offload":
            raise Failed(f"no operation reached the device: {manner.why}")
        raise DoesNotApply("the server does not use the device")
    if manner.way is Way.BLOCKS and whom is not For.ALL:
        raise DoesNotApply("it blocks: its operations do not run in async jobs")
    if whom is For.PARALLEL and not manner.parallel:
        raise DoesNotApply("it serves one paused handshake at a time")
