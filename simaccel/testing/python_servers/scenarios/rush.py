"""A rush: very many clients at once."""

from __future__ import annotations

import resource
from collections.abc import Mapping
from typing import Any

from simaccel.certify.manner import DoesNotApply, For
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.stage import VirtualStage

FDS_EACH = 2
"""How many fds a connection needs at most: both ends of a pipe."""
SPARE_FDS = 100


def many_connects(stage: VirtualStage) -> None:
    """All clients connect at once, and each gets its handshake."""
    count = stage.connects
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count * FDS_EACH + SPARE_FDS
    soft, most = before
    if 0 <= most < wanted:
        raise DoesNotApply(f"{count:,} clients may take {wanted:,} open files, and the hard limit is {most:,}")
    if 0 <= soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    try:
        stage.all_done(stage.open(count))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


ROOM: Mapping[str, Any] = {"depth": 1024, "units": 64}
"""With fewer slots, a server that tries all jobs that wait for one in each turn would take a minute."""
SCENARIOS = (VirtualScenario("many-connects", many_connects, For.ALL, settings=(ROOM,)),)
