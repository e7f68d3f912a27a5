"""The models of our own engine pass, in every mode and contract; their twins with a bug fail."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.testing import ScheduleFailure, explore, replay
from engine.testing.models import MODELS, TWINS

FULL = os.environ.get("SIMACCEL_EXPLORE") == "full"
PREEMPTIONS, SCHEDULES = (2, 200_000) if FULL else (1, 1_500)

CANCEL = "cancelled between the completion's hold on the operation and its done mark, it does not wait for the token"
ORDER = "Engine.close settles what is in flight in the order of a set where the times of submission are equal"
KNOWN = {
    **{f"cancel_{way}": CANCEL for way in ("fd", "pipe")},
    **{f"close_{way}": ORDER for way in ("poll", "poll_strict", "heuristic")},
}
"""Bugs of the engine that these models have found, and that are there still."""


def good_models() -> list[object]:
    return [
        pytest.param(name, marks=pytest.mark.xfail(reason=KNOWN[name], strict=True)) if name in KNOWN else name
        for name in MODELS
    ]


@pytest.mark.watchdog(3_600 if FULL else 180)
@pytest.mark.parametrize("name", good_models())
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
