"""What an operator does to a server that has operations in flight: stop."""

from __future__ import annotations

from simaccel.certify.manner import FEW, For, Way
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.stage import VirtualStage


def graceful_stop(stage: VirtualStage) -> None:
    """The server is told to stop while handshakes are paused. Then their operations complete."""
    clients = stage.paused() if stage.manner.way is Way.PAUSES else stage.open(FEW)
    stage.stop()
    done = sum(client.result is not None for client in clients)
    stage.notes.append(f"{done} of {len(clients)} paused handshakes were completed")


SCENARIOS = (VirtualScenario("graceful-stop", graceful_stop, For.ALL),)
