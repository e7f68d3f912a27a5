"""What counts as sleep of a server in virtual time, from what the system tells of two threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest

from simaccel.testing.python_servers import real_time
from simaccel.testing.python_servers.real_time import LOOK_EVERY_S, SLEPT_S, RealTime

SERVER, WATCHER = 1, 2
MANY = 1_000
"""A thread that waits for the GIL asks for it so often in some seconds, and more often."""


@dataclass(frozen=True, slots=True)
class Look:
    """What has changed when the watcher looks again."""

    passed_s: float = LOOK_EVERY_S
    server_cpu_s: float = 0.0
    server_waited_s: float = 0.0
    watcher_waited_s: float = 0.0
    watcher_runs: int = 1
    stolen_s: float = 0.0


class Machine:
    """The clocks of a machine. They also stand for the event that the watcher waits for: each wait is one look more."""

    def __init__(self, looks: list[Look]) -> None:
        self.left = looks
        self.now_s = self.stolen_s = 0.0
        self.times = {SERVER: (0.0, 0.0, 0), WATCHER: (0.0, 0.0, 0)}
        self.signals = 0

    def wait(self, timeout_s: float) -> bool:
        if not self.left:
            return True
        look = self.left.pop(0)
        self.now_s += look.passed_s
        self.stolen_s += look.stolen_s
        cpu_s, waited_s, runs = self.times[SERVER]
        self.times[SERVER] = cpu_s + look.server_cpu_s, waited_s + look.server_waited_s, runs
        cpu_s, waited_s, runs = self.times[WATCHER]
        self.times[WATCHER] = cpu_s, waited_s + look.watcher_waited_s, runs + look.watcher_runs
        return False

    def interrupt(self, thread: int, number: int) -> None:
        self.signals += 1


LONG_S = 2 * SLEPT_S


@pytest.mark.parametrize(
    ("looks", "noticed"),
    [
        ([Look()] * 50, True),
        ([Look(server_cpu_s=LOOK_EVERY_S)] * 50, False),
        ([Look(server_waited_s=LOOK_EVERY_S)] * 50, False),
        ([Look(LONG_S, watcher_runs=MANY)], True),
        ([Look(LONG_S, watcher_runs=MANY, watcher_waited_s=LONG_S)], False),
        ([Look(LONG_S, watcher_runs=MANY, stolen_s=LONG_S)], False),
        ([Look(LONG_S)] * 3, False),
    ],
    ids=[
        "it sleeps",
        "it computes",
        "it gets no CPU",
        "it sleeps and keeps the GIL",
        "the watcher gets no CPU",
        "the machine stands still, and tells",
        "the machine stands still",
    ],
)
def test_what_is_sleep(looks: list[Look], noticed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(list(looks))
    monkeypatch.setattr("time.monotonic", lambda: machine.now_s)
    monkeypatch.setattr(real_time, "_times", machine.times.__getitem__)
    monkeypatch.setattr(real_time, "stolen_s", lambda: machine.stolen_s)
    monkeypatch.setattr("signal.pthread_kill", machine.interrupt)
    monkeypatch.setattr("threading.get_native_id", lambda: WATCHER)
    watched = RealTime()
    watched._call = 1
    watched._watch(threading.get_ident(), SERVER, machine)  # type: ignore[arg-type]
    monkeypatch.undo()
    assert bool(machine.signals) is noticed
