"""A device that is full, that fails, that holds on for ever, that is late, and that dies and comes back."""

from __future__ import annotations

from simaccel.certify.clients import State
from simaccel.certify.device.script import Ending
from simaccel.certify.manner import CLIENTS, FEW, Failed, For, Way
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

BUSY = 0.3
"""A waiting server is in a busy loop if it takes this share of the CPU time that a busy loop would get."""
DEADLINE_MS = 300


def ring_full(stage: Stage) -> None:
    """24 handshakes want the two slots of a ring, and the device completes nothing for a while."""
    before = stage.told("full")
    stage.device.hold()
    clients = stage.clients.open(CLIENTS)
    stage.until(lambda: stage.device.state().held == 2, "fewer than two operations are in flight in a ring of two")
    stage.await_told("full", before + FEW, "fewer operations wait for a slot than handshakes were begun")
    _check_idle(stage, "while the ring is full")
    stage.device.go()
    stage.all_done(clients)


def held_for_ever(stage: Stage) -> None:
    """Some operations do not complete. The server waits for them without a busy loop, and serves the others."""
    held = stage.paused()
    _check_idle(stage, "while operations are in flight")
    stage.device.pass_on()
    if stage.manner.parallel:
        stage.handshakes(2 * FEW)
        if any(client.ended for client in held):
            raise Failed("a handshake ended whose operation had not completed")
    stage.device.release()
    stage.all_done(held)


def _check_idle(stage: Stage, when: str) -> None:
    share = stage.cpu_share()
    stage.notes.append(f"{share:.0%} of a core {when}")
    if share > BUSY:
        raise Failed(f"it takes {share:.0%} of what a busy loop would, {when}")


def error(stage: Stage) -> None:
    """Operations fail for good, so these handshakes fail, and the server tells the clients and goes on."""
    for ending in (Ending.FAILED, Ending.RESET):
        stage.device.pass_on(ending=ending)
        _fail_all(stage, "an operation that the device failed")
        stage.device.pass_on()
        stage.handshakes()


def corrupt(stage: Stage) -> None:
    """Results are damaged. No handshake may succeed with one."""
    stage.device.pass_on(ending=Ending.CORRUPT)
    _fail_all(stage, "a result that was damaged")


def _fail_all(stage: Stage, why: str) -> None:
    clients = stage.clients.open(FEW)
    stage.all_ended(clients)
    if any(client.state is State.DONE for client in clients):
        raise Failed(f"a handshake succeeded with {why}")


def late_completion(stage: Stage) -> None:
    """Operations pass their deadline and the handshakes go on in software. Only then do the completions come."""
    before = stage.told("expired")
    stage.device.hold()
    clients = stage.clients.open(FEW)
    stage.all_done(clients)
    if stage.told("expired") == before:
        raise Failed("no operation passed its deadline although the device held all")
    stage.device.go()
    stage.handshakes()


def device_restart(stage: Stage) -> None:
    """The device is killed with operations in flight, and comes back."""
    clients = stage.paused() if stage.manner.way is Way.PAUSES else stage.clients.open(FEW)
    stage.device.wake()  # these wakes reach jobs while the connection ends
    stage.device.kill()
    stage.all_done(clients)
    stage.handshakes()
    stage.device.start()

    def used_again() -> bool:
        stage.handshakes(1)
        return stage.device.state().done > 0

    stage.until(used_again, "the device is back, and the server does not use it")


SCENARIOS = (
    ServerScenario("ring-full", ring_full, For.PARALLEL, {"entries": 2}),
    ServerScenario("held-for-ever", held_for_ever),
    ServerScenario("error", error, For.ALL, {"fallback": "no"}),
    ServerScenario("corrupt", corrupt, For.ALL, {"fallback": "no"}),
    ServerScenario(
        "late-completion",
        late_completion,
        settings={"deadline_ms": DEADLINE_MS},
    ),
    ServerScenario("device-restart", device_restart, For.ALL),
)
