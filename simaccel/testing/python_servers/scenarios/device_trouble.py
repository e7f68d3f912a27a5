"""A device that is full, that fails, that holds on for ever, that is late, and that dies and comes back."""

from __future__ import annotations

from sim.faults import Corrupt, Fail, Reset, Verdict
from simaccel.certify.manner import CLIENTS, FEW, Failed, For, Way
from simaccel.testing.python_servers.scenarios.aborts import fill_the_ring
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.scenarios.settings import AT_ONCE, TWO_SLOTS
from simaccel.testing.python_servers.stage import LOOKED_AT_TURNS, VirtualStage

TRIES = 2
"""How often in a turn a server may try a job that waits for a slot. More often is a busy loop."""
DEADLINE_NS = 300_000_000


def ring_full(stage: VirtualStage) -> None:
    """24 handshakes want the two slots of a ring, and the device completes nothing for a while."""
    clients = fill_the_ring(stage, CLIENTS)
    tries = stage.look_at_idle_turns()
    stage.notes.append(f"{tries} resumes in {LOOKED_AT_TURNS} turns")
    if tries > TRIES * CLIENTS * LOOKED_AT_TURNS:
        raise Failed(f"it resumes jobs {tries} times in {LOOKED_AT_TURNS} turns, while the ring is full")
    stage.script.go()
    stage.all_done(clients)


def held_for_ever(stage: VirtualStage) -> None:
    """Some operations do not complete. The server waits for them without a busy loop, and serves the others."""
    held = stage.paused()
    stage.settle()
    resumed = stage.look_at_idle_turns()
    if resumed:
        raise Failed(f"it resumes jobs {resumed} times although nothing has woken them")
    stage.script.pass_on()
    if stage.manner.parallel:
        stage.handshakes(2 * FEW)
        if any(client.ended for client in held):
            raise Failed("a handshake ended before its operation had completed")
    stage.script.release()
    stage.all_done(held)


def error(stage: VirtualStage) -> None:
    """Operations fail for good, so these handshakes fail, and the server tells the clients and goes on."""
    for verdict in (Fail(), Reset()):
        _fail_all(stage, verdict)
        stage.script.pass_on()
        stage.handshakes()


def corrupt(stage: VirtualStage) -> None:
    """Results are damaged. No handshake may succeed with one."""
    _fail_all(stage, Corrupt())


def _fail_all(stage: VirtualStage, verdict: Verdict) -> None:
    stage.script.pass_on(verdict)
    stage.all_closed(stage.open(FEW))


def late_completion(stage: VirtualStage) -> None:
    """Operations pass their deadline and the handshakes go on in software. Only then do the completions come."""
    stage.script.hold()
    clients = stage.open(FEW)
    stage.all_done(clients)
    if not all(client.in_software for client in clients):
        raise Failed("an operation passed its deadline, and its handshake did not notice")
    stage.script.go()
    stage.settle()
    stage.handshakes()


def device_restart(stage: VirtualStage) -> None:
    """The device is removed with operations in flight, and comes back."""
    clients = stage.paused() if stage.manner.way is Way.PAUSES else stage.open(FEW)
    stage.script.wake()  # these wakes reach jobs while the device goes
    stage.script.pass_on()
    stage.device.faults.remove()
    stage.all_done(clients)
    stage.handshakes()
    stage.device.faults.plug_in()
    before = stage.device.statistics().completed
    blocked = [client for client in stage.handshakes() if client.blocked]
    if stage.manner.way is Way.PAUSES and blocked:
        raise Failed(f"the device is back, and the server calls the handshake of {blocked[0]} outside of a job")
    if stage.device.statistics().completed == before:
        raise Failed("the device is back, and the server does not use it")


SCENARIOS = (
    VirtualScenario("ring-full", ring_full, For.PARALLEL, settings=(TWO_SLOTS, AT_ONCE)),
    VirtualScenario("held-for-ever", held_for_ever),
    VirtualScenario("error", error, For.ALL, software=False),
    VirtualScenario("corrupt", corrupt, For.ALL, software=False),
    VirtualScenario("late-completion", late_completion, settings=({"deadline_ns": DEADLINE_NS},)),
    VirtualScenario("device-restart", device_restart, For.ALL),
)
