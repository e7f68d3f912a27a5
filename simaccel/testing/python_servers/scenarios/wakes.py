"""Wake-ups other than one for each pause: none, before the pause, for nothing, too early, or two for one operation."""

from __future__ import annotations

from collections.abc import Sequence

from sim.faults import Duplicate, EarlyWake
from simaccel.certify.manner import FEW, WAKES, Failed
from simaccel.testing.python_servers.client import CertifyClient
from simaccel.testing.python_servers.scenarios.scenario import VirtualScenario
from simaccel.testing.python_servers.stage import VirtualStage


def many_pauses(stage: VirtualStage) -> None:
    """Each operation of a handshake is resumed several times although it is not done, so it pauses again and again."""
    clients = stage.paused()
    while not _all_closed(clients):
        for _ in range(WAKES):
            stage.wake()
        stage.script.release(1, order=[stage.random.randrange(stage.script.held)])
        _go_on(stage, clients)
    stage.all_done(clients)


def no_pause(stage: VirtualStage) -> None:
    """The device is gone, so operations are done in software, and no job pauses."""
    stage.device.faults.remove()
    stage.clock.jump()
    before = stage.engine.statistics.pauses
    clients = stage.handshakes()
    if stage.engine.statistics.pauses != before or not all(client.in_software for client in clients):
        raise Failed("a job has paused although the device is gone")
    stage.device.faults.plug_in()


def wake_before_pause(stage: VirtualStage) -> None:
    """Every wake-up comes before the pause that it is for, as it does with OpenSSL's dasync."""
    stage.handshakes(2 * FEW)


def spurious_wake(stage: VirtualStage) -> None:
    """Jobs are woken although nothing has completed; it completes only when they have paused again."""
    clients = stage.paused()
    stage.wake()
    stage.script.go()
    stage.all_done(clients)


def early_resume(stage: VirtualStage) -> None:
    """A wake-up comes just before the completion. The server may or may not resume the job in between."""
    for by_ns in (0, 1_000):
        stage.script.pass_on(EarlyWake(by_ns))
        stage.handshakes()
        stage.handshakes()
    stage.notes.append(f"resumed for nothing {stage.engine.statistics.spurious_wakes} times")


def duplicate(stage: VirtualStage) -> None:
    """Operations complete twice, and the second time wakes jobs whose operations go on."""
    before = stage.device.statistics().spurious
    stage.script.pass_on(Duplicate())
    stage.handshakes(2 * FEW)
    if stage.device.statistics().spurious == before:
        raise Failed("the device has completed nothing twice")
    for _ in range(WAKES):
        clients = stage.paused()
        while not _all_closed(clients):
            stage.script.release(1)
            stage.clock.jump()
            stage.script.wake()
            _go_on(stage, clients)
        stage.all_done(clients)


def _go_on(stage: VirtualStage, clients: Sequence[CertifyClient]) -> None:
    stage.until(
        lambda: stage.script.held > 0 or _all_closed(clients),
        "handshakes neither end nor go on to their next operation",
    )


def _all_closed(clients: Sequence[CertifyClient]) -> bool:
    return all(client.closed for client in clients)


SCENARIOS = (
    VirtualScenario("many-pauses", many_pauses),
    VirtualScenario("no-pause", no_pause),
    VirtualScenario("wake-before-pause", wake_before_pause, eager=True),
    VirtualScenario("spurious-wake", spurious_wake),
    VirtualScenario("early-resume", early_resume),
    VirtualScenario("duplicate", duplicate),
)
