"""A rush: very many clients at once."""

from __future__ import annotations

import resource

from simaccel.certify.clients import State
from simaccel.certify.manner import DoesNotApply, Failed, For
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

SPARE_FDS = 100


def many_connects(stage: Stage) -> None:
    """All clients connect at once, and each gets its handshake."""
    count = stage.target.connects
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count + SPARE_FDS:
        if 0 <= most < count + SPARE_FDS:
            raise DoesNotApply(
                f"{count:,} clients take {count + SPARE_FDS:,} open files, and only root can raise the hard limit of "
                f"{most:,}: give fewer with --connects"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (count + SPARE_FDS, most))
    clients = stage.clients.open(count)
    stage.all_ended(clients)
    failed = [client.why for client in clients if client.state is State.FAILED]
    if failed:
        raise Failed(f"{len(failed):,} of {count:,} handshakes failed, the first one: {failed[0]}")


SCENARIOS = (ServerScenario("many-connects", many_connects, For.ALL),)
