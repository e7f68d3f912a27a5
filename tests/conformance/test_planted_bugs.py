"""Each planted bug must be caught, and the suite must be content again once it is gone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conformance.planted import PLANTS, Plant
from tests.effort import some
from tests.oracle.driver import Driver
from tests.oracle.errors import DisagreementError


def check_on_a_new_thread(plant: Plant) -> None:
    """Jobs, pool and block counter belong to the thread, on both sides: what a bug leaves there goes with it."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        pool.submit(plant.check).result()


@pytest.mark.parametrize("plant", some(PLANTS, 8), ids=lambda plant: str(plant.name))
def test_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    with monkeypatch.context() as patch:
        plant.plant(patch)
        with pytest.raises(DisagreementError):
            check_on_a_new_thread(plant)


def test_enough_bugs_are_planted() -> None:
    assert len(PLANTS) == len({plant.name for plant in PLANTS}) >= 12
