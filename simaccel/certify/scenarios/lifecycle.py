"""What an operator does to a server that has operations in flight: reload and stop."""

from __future__ import annotations

import signal

from simaccel.certify.manner import FEW, DoesNotApply, Failed, For, Way
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}


def reload_under_load(stage: Stage) -> None:
    """The server reads its configuration anew while handshakes are paused, and others come."""
    if stage.target.reload is None:
        raise DoesNotApply("give --reload-signal if the server can reload")
    stage.may_change = True
    paused = stage.paused() if stage.manner.way is Way.PAUSES else []
    stage.server.signal(stage.target.reload)
    stage.device.pass_on(delay_ns=1_000_000)
    for _ in range(3):
        stage.handshakes()
    stage.device.release()
    stage.all_done(paused)


def graceful_stop(stage: Stage) -> None:
    """The server is told to end while handshakes are paused. Then their operations complete."""
    clients = stage.paused() if stage.manner.way is Way.PAUSES else stage.clients.open(FEW)
    stage.over = True
    stage.server.signal(stage.target.stop)
    stage.device.go()
    stage.until(lambda: not stage.server.pids(), f"it has not ended after {stage.target.stop.name}")
    how = stage.server.how_it_ended()
    status = stage.server.status or 0
    if -status in CRASHES or status - 128 in CRASHES:
        raise Failed(f"it ended{how}{stage.server.tail()}")
    stage.all_ended(clients)
    done = sum(client.shaken for client in clients)
    stage.notes.append(f"ended{how}; {done} of {len(clients)} paused handshakes were completed")


SCENARIOS = (
    ServerScenario("reload", reload_under_load, For.ALL),
    ServerScenario("graceful-stop", graceful_stop, For.ALL),
)
