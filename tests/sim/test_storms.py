"""Ctrl-C at random instants while a device is driven by hand, with every fault, polled or by interrupt.

`test_device_interrupted.py` raises at each place that it knows; this finds those that nobody thought of. Every CI run
makes some rounds. SIMACCEL_STORM_SECONDS=60 gives each test so long, and SIMACCEL_STORM_SEED sets the seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sim import Accelerator, Coalescing, VirtualClock
from tests.ctrl_c import Scenario, storm
from tests.sim.sim_requests import Told
from tests.sim.test_device_interrupted import FAULTS

SECONDS = float(os.environ.get("SIMACCEL_STORM_SECONDS", "0"))
SEED = int(os.environ.get("SIMACCEL_STORM_SEED", "1"))
ROUNDS = 20
REQUESTS = 6


def move(accel: Accelerator, polled: bool) -> None:
    """Completes all that will complete by itself. In real time that is the worker's task, but for the polling."""
    clock = accel.clock
    while (isinstance(clock, VirtualClock) and clock.jump()) or (polled and accel.poll()):
        pass
    os.sched_yield()


def driven(faults: str, polled: bool, virtual: bool) -> Scenario:
    @contextmanager
    def scenario(choice: random.Random) -> Iterator[Callable[[], object]]:
        accel = Accelerator(
            choice.choice((1, 2, 8)),
            choice.choice((1, 3)),
            choice.choice((None, "fixed:1us", "fixed:20us")),
            clock=VirtualClock() if virtual else None,
            seed=choice.getrandbits(32),
            faults=FAULTS[faults],
            coalescing=choice.choice((Coalescing(), Coalescing(2, 5_000))),
        )
        told = Told(accel)
        accel.attach(told.freed.append, polled=polled)

        def act() -> None:
            for number in range(REQUESTS):
                told.submit(bytes([number]))
                move(accel, polled)
            accel.faults.release()
            move(accel, polled)

        yield act
        accel.close()
        told.check(doubles=1 if faults == "duplicate" else 0)

    return scenario


@pytest.mark.watchdog(120 + 2 * SECONDS)
@pytest.mark.parametrize("virtual", [True, False], ids=["virtual", "real"])
@pytest.mark.parametrize("polled", [False, True], ids=["interrupt", "polled"])
@pytest.mark.parametrize("faults", list(FAULTS))
def test_a_storm_of_ctrl_c_loses_nothing(faults: str, polled: bool, virtual: bool) -> None:
    print(f"SIMACCEL_STORM_SEED={SEED}")
    seed = f"{SEED} {faults} {polled} {virtual}"
    rounds, hits = storm(
        driven(faults, polled, virtual), seed=seed, seconds=SECONDS or 60, rounds=None if SECONDS else ROUNDS
    )
    print(f"{rounds} rounds, {hits} with a Ctrl-C")
    assert hits <= rounds
