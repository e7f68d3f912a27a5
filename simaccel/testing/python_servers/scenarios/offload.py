"""offload, asynchronous: the server uses the device, and goes on while it waits."""

from __future__ import annotations

from sim.faults import Delay
from simaccel.certify.manner import CLIENTS, HANDSHAKES, Failed, For, Way
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.stage import VirtualStage

DELAY = Delay(by_ns=50_000_000)


def offload(stage: VirtualStage) -> None:
    """Each handshake does its operations on the device."""
    before = stage.device.statistics().completed
    clients = stage.handshakes(HANDSHAKES)
    done = stage.device.statistics().completed - before
    wanted = sum(client.steps for client in clients)
    if done < wanted:
        raise Failed(f"{HANDSHAKES} handshakes did {wanted} operations, and only {done} of them on the device")


def asynchronous(stage: VirtualStage) -> None:
    """With a slow device more than one handshake is in flight."""
    if stage.manner.way is Way.BLOCKS:
        raise Failed("it blocks: it calls client.handshake outside of a job, or with pauses blocked")
    if not stage.manner.parallel:
        raise Failed("never more than one operation was in flight: while one handshake is paused, no other goes on")
    stage.script.pass_on(DELAY)
    stage.handshakes(CLIENTS)
    stage.notes.append(f"{stage.device.statistics().high_water} in flight at most")


SCENARIOS = (VirtualScenario("offload", offload, For.ALL), VirtualScenario("asynchronous", asynchronous, For.ALL))
