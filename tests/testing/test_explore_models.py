"""The models of our own engine pass, in every mode and contract; their twins with a bug fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simaccel.testing import ScheduleFailure, explore, replay
from simaccel.testing.models import MODELS, TWINS
from tests import effort
from tests.limits import TEST_S

ALL = os.environ.get("SIMACCEL_EXPLORE") == "full"
PREEMPTIONS, SCHEDULES = (2, 200_000) if ALL else (1, effort.pick(60, 300, 1_500))


@pytest.mark.watchdog(3_600 if ALL else TEST_S)
@pytest.mark.parametrize("name", MODELS)
def test_the_engine_passes(name: str) -> None:
    explore(MODELS[name], PREEMPTIONS, max_schedules=SCHEDULES)


@pytest.mark.parametrize("name", TWINS)
def test_a_twin_with_a_bug_fails_and_is_replayed(name: str, tmp_path: Path) -> None:
    file = tmp_path / "failing.schedule"
    with pytest.raises(ScheduleFailure) as found:
        explore(TWINS[name], preemptions=2, save=file)
    with pytest.raises(ScheduleFailure) as again:
        replay(TWINS[name], file)
    assert again.value.schedule.steps == found.value.schedule.steps
    assert type(again.value.__cause__) is type(found.value.__cause__)


@pytest.mark.parametrize("name", TWINS)
def test_two_explorations_find_the_same(name: str) -> None:
    found = []
    for _ in range(2):
        with pytest.raises(ScheduleFailure) as caught:
            explore(TWINS[name], preemptions=1)
        found.append((caught.value.schedules, caught.value.schedule.to_text()))
    assert found[0] == found[1]
