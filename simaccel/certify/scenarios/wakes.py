"""Wake-ups other than one for each pause: none, before the pause, for nothing, too early, or two for one operation."""

from __future__ import annotations

from simaccel.certify.device.script import Ending
from simaccel.certify.manner import FEW, WAKES, Failed
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage


def many_pauses(stage: Stage) -> None:
    """Each operation of a handshake is resumed several times although it is not done, so it pauses again and again."""
    clients = stage.paused()
    while not all(client.ended for client in clients):
        for _ in range(WAKES):
            _wake(stage)
        held = stage.device.state().held
        stage.device.release(1, order=[stage.random.randrange(held)] if held else [])
        stage.until(
            lambda: bool(stage.device.state().held) or all(client.ended for client in clients),
            "handshakes neither end nor go on to their next operation",
        )
    stage.all_done(clients)


def no_pause(stage: Stage) -> None:
    """The device is gone, so operations are done in software, and no job pauses."""
    stage.device.kill()
    stage.handshakes(2)  # these may be the ones that find out that the device is gone
    stage.handshakes()


def wake_before_pause(stage: Stage) -> None:
    """Every wake-up comes before the pause that it is for, as it does with OpenSSL's dasync."""
    stage.handshakes(2 * FEW)


def spurious_wake(stage: Stage) -> None:
    """Jobs are woken although nothing has completed; it completes only when they have paused again."""
    clients = stage.paused()
    _wake(stage)
    stage.device.go()
    stage.all_done(clients)


def _wake(stage: Stage) -> None:
    """Wake what is held, and wait until the server has resumed it."""
    before = stage.told("spurious")
    woken = stage.device.wake()
    stage.await_told("spurious", before + woken, "jobs that were woken are not resumed")


def early_resume(stage: Stage) -> None:
    """A wake-up comes just before the completion, so that the job is resumed when it may or may not be done."""
    for ending in (Ending.WOKEN_FIRST, Ending.RESUMED_FIRST):
        stage.device.pass_on(ending=ending)
        stage.handshakes()
        stage.handshakes()


def duplicate(stage: Stage) -> None:
    """Operations complete twice, and the second time wakes jobs whose operations go on."""
    before = stage.told("stray")
    for _ in range(WAKES):
        clients = stage.paused()
        while not all(client.ended for client in clients):
            stage.device.release(1, ending=Ending.TWICE)
            stage.until(
                lambda: bool(stage.device.state().held) or all(client.ended for client in clients),  # noqa: B023 - called here
                "handshakes neither end nor go on to their next operation",
            )
        stage.all_done(clients)
    if stage.told("stray") == before:
        raise Failed("the provider has met no duplicate")


SCENARIOS = (
    ServerScenario("many-pauses", many_pauses),
    ServerScenario("no-pause", no_pause),
    ServerScenario("wake-before-pause", wake_before_pause, settings={"late_pause": "yes"}),
    ServerScenario("spurious-wake", spurious_wake),
    ServerScenario("early-resume", early_resume),
    ServerScenario("duplicate", duplicate),
)
