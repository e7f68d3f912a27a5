"""offload, asynchronous: the server uses the device, and goes on while it waits."""

from __future__ import annotations

from simaccel.certify.manner import CLIENTS, HANDSHAKES, DoesNotApply, Failed, For, Way
from simaccel.certify.scenarios.scenario import ServerScenario
from simaccel.certify.stage import Stage

DELAY_NS = 50_000_000


def offload(stage: Stage) -> None:
    """Each handshake makes at least one operation on the device."""
    before = stage.device.state()
    stage.handshakes(HANDSHAKES)
    after = stage.device.state()
    done = after.done - before.done
    if done < HANDSHAKES:
        raise Failed(f"{HANDSHAKES} handshakes made only {done} operations on the device")
    software = _really_in_software(after.told) - _really_in_software(before.told)
    if software:
        raise Failed(f"{software} operations were done in software although the device was there")
    stage.notes.append(", ".join(f"{op} {count}" for op, count in sorted(after.by_op.items())))


def _really_in_software(told: dict[str, int]) -> int:
    """How many operations software did although the device could have. `software` also counts what no device does."""
    return told.get("software", 0) - told.get("unsupported", 0)


def asynchronous(stage: Stage) -> None:
    """With a slow device more than one handshake is in flight."""
    if stage.manner.way is Way.BLOCKS:
        raise DoesNotApply("it blocks: every operation keeps a thread waiting")
    if not stage.manner.parallel:
        raise Failed("never more than one operation was in flight: while one handshake is paused, no other goes on")
    stage.device.pass_on(delay_ns=DELAY_NS)
    stage.handshakes(CLIENTS)
    most = stage.device.state().most
    stage.notes.append(f"{most} in flight at most")
    if most < 2:
        # Perhaps the machine was too slow to have two in 50 ms. If the device holds the first, time does not matter.
        stage.paused(2)


SCENARIOS = (
    ServerScenario("offload", offload, For.ALL),
    ServerScenario("asynchronous", asynchronous, For.ALL),
)
