"""Clients that vanish: while their operations are paused, while they wait for a slot, so early that the connection is
freed before its operation completes, or again and again under the same fd numbers."""

from __future__ import annotations

from simaccel.certify.manner import FEW, ROUNDS, Failed, For
from simaccel.testing.python_servers.client import CertifyClient
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.scenarios.settings import AT_ONCE, TWO_SLOTS
from simaccel.testing.python_servers.stage import VirtualStage


def abort_mid_pause(stage: VirtualStage) -> None:
    """The clients vanish while their operations are in flight. The operations complete after that."""
    for _ in range(ROUNDS):
        stage.hang_up(stage.paused())
        stage.script.pass_on()
        stage.script.release(order=stage.random.sample(range(FEW), FEW))
        stage.handshakes()


def abort_waiting_for_slot(stage: VirtualStage) -> None:
    """The clients vanish while most of them wait for a slot of a ring of two."""
    for _ in range(ROUNDS):
        clients = fill_the_ring(stage, FEW)
        stage.hang_up(clients)
        stage.script.go()
        stage.handshakes()


def fill_the_ring(stage: VirtualStage, count: int) -> list[CertifyClient]:
    """Open `count` new clients. Two of them get the slots of the ring, and the others wait for one."""
    before = stage.engine.statistics.eagains
    stage.script.hold()
    clients = stage.open(count)
    stage.until(lambda: stage.script.held == 2, "fewer than two operations are in flight in a ring of two")
    stage.until(
        lambda: stage.engine.statistics.eagains >= before + count - 2,
        "fewer operations wait for a slot than handshakes were begun",
    )
    return clients


def freed_in_flight(stage: VirtualStage) -> None:
    """The server is given time to free the connections before the operations complete."""
    clients = stage.paused()
    stage.hang_up(clients)
    stage.settle()
    freed = sum(client.closed for client in clients)
    stage.notes.append("freed while in flight" if freed else "kept until the operations have completed")
    stage.script.wake()
    stage.settle()
    stage.script.go()
    stage.all_closed(clients)
    stage.handshakes()


def fd_reuse(stage: VirtualStage) -> None:
    """New connections get the fd numbers of those that vanished, before and after the old operations complete."""
    for _ in range(ROUNDS):
        old = stage.paused()
        held = stage.script.held
        stage.hang_up(old)
        new = stage.paused() if stage.manner.parallel else stage.open(1)
        stage.script.pass_on()
        stage.script.release(held)
        stage.settle()
        if any(client.ended for client in new):
            raise Failed("a handshake ended before its operation had completed")
        stage.script.release()
        stage.all_done(new)
        stage.handshakes()


SCENARIOS = (
    VirtualScenario("abort-mid-pause", abort_mid_pause),
    VirtualScenario("abort-waiting-for-slot", abort_waiting_for_slot, For.PARALLEL, settings=(TWO_SLOTS, AT_ONCE)),
    VirtualScenario("freed-in-flight", freed_in_flight),
    VirtualScenario("fd-reuse", fd_reuse),
)
