"""Clients that vanish: while their operations are paused, while they wait for a slot, so early that the connection is
freed before its operation completes, or again and again under the same fd numbers."""

from __future__ import annotations

import time

from simaccel.certify.manner import FEW, ROUNDS, For
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

FREED_WITHIN_S = 2.0
"""How long the operations are held after their clients have gone. A server may free the connections meanwhile, or keep
them until the operations complete. Both are right, so no verdict depends on this time."""


def abort_mid_pause(stage: Stage) -> None:
    """The clients reset their connections while their operations are in flight. The operations complete after that."""
    for _ in range(ROUNDS):
        clients = stage.paused()
        stage.clients.abort(clients)
        stage.device.pass_on()
        stage.device.release(order=stage.random.sample(range(FEW), FEW))
        stage.handshakes()


def abort_waiting_for_slot(stage: Stage) -> None:
    """The clients reset their connections while most of them wait for a slot of a ring of two."""
    for _ in range(ROUNDS):
        before = stage.told("full")
        stage.device.hold()
        clients = stage.clients.open(FEW)
        stage.until(lambda: stage.device.state().held == 2, "fewer than two operations are in flight in a ring of two")
        stage.await_told("full", before + FEW - 2, "fewer operations wait for a slot than handshakes were begun")
        stage.clients.abort(clients)
        stage.device.go()
        stage.handshakes()


def freed_in_flight(stage: Stage) -> None:
    """The server is given time to free the connections before the operations complete."""
    before = stage.server.look().fds
    clients = stage.paused()
    stage.clients.abort(clients)
    end_s = time.monotonic() + FREED_WITHIN_S
    stage.until(lambda: stage.server.look().fds <= before or time.monotonic() > end_s, "unreachable")
    freed = stage.server.look().fds <= before
    stage.notes.append("freed while in flight" if freed else "kept until the operations have completed")
    stage.device.go()
    stage.handshakes()


def fd_reuse(stage: Stage) -> None:
    """New connections get the fd numbers of those that were aborted, before and after the old operations complete."""
    for _ in range(ROUNDS):
        old = stage.paused()
        held = stage.device.state().held
        stage.clients.abort(old)
        new = stage.paused() if stage.manner.parallel else stage.clients.open(1)
        stage.device.pass_on()
        stage.device.release(held)
        stage.device.release()
        stage.all_done(new)
        stage.all_done(stage.clients.open(FEW))


SCENARIOS = (
    ServerScenario("abort-mid-pause", abort_mid_pause),
    ServerScenario(
        "abort-waiting-for-slot",
        abort_waiting_for_slot,
        For.PARALLEL,
        {"entries": 2},
    ),
    ServerScenario("freed-in-flight", freed_in_flight),
    ServerScenario("fd-reuse", fd_reuse),
)
