"""Patience: the time in which the processes get no CPU does not count."""

from __future__ import annotations

import os

import pytest

from simaccel.certify import patience
from simaccel.certify.patience import AT_MOST, STEP_S, Patience, waited_s


class Times:
    """The clock, how long processes have waited for a CPU, and how long the machine stood still. A test sets them."""

    now_s = 100.0
    waited_s = 7.0
    stolen_s = 3.0

    def pass_time(self, waits: Patience, duration_s: float) -> bool:
        """Somebody asks every 50 ms meanwhile. What the answer is at the end."""
        for _ in range(round(duration_s / 0.05)):
            self.now_s += 0.05
            over = waits.is_over()
        return over


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times()
    monkeypatch.setattr(patience, "monotonic", lambda: times.now_s)
    monkeypatch.setattr(patience, "waited_s", lambda pids: times.waited_s)
    monkeypatch.setattr(patience, "stolen_s", lambda: times.stolen_s)
    return times


def test_on_an_idle_machine_the_limit_is_the_limit(times: Times) -> None:
    waits = Patience(2.0, list)
    assert not times.pass_time(waits, 1.95)
    assert times.pass_time(waits, 0.1)


def test_time_without_a_cpu_does_not_count(times: Times) -> None:
    waits = Patience(2.0, list)
    times.waited_s += 3.5
    assert not times.pass_time(waits, 5.45)
    assert times.pass_time(waits, 0.1)


def test_what_was_stolen_from_the_machine_does_not_count(times: Times) -> None:
    waits = Patience(2.0, list)
    times.stolen_s += 1.5
    assert not times.pass_time(waits, 3.45)
    assert times.pass_time(waits, 0.1)


def test_a_machine_that_stands_still_does_not_count(times: Times) -> None:
    """Nobody has asked meanwhile, as nobody ran, and the system tells of nothing."""
    waits = Patience(2.0, list)
    assert not times.pass_time(waits, 1.0)
    times.now_s += 4.0
    assert not waits.is_over()
    assert not times.pass_time(waits, 0.95 - STEP_S)
    assert times.pass_time(waits, 0.1)


def test_progress_begins_a_wait_anew(times: Times) -> None:
    waits = Patience(2.0, list)
    assert not times.pass_time(waits, 1.9)
    times.waited_s += 1.0
    waits.begin()
    assert waits.since_s == times.now_s
    assert not times.pass_time(waits, 1.9)
    assert times.pass_time(waits, 0.2), "what was waited for before does not count"


def test_a_wait_ends_in_any_case(times: Times) -> None:
    """A server with busy threads never has enough CPU."""
    waits = Patience(2.0, list)
    times.waited_s += 1000
    assert not times.pass_time(waits, AT_MOST * 2.0 - 0.05)
    assert times.pass_time(waits, 0.1)


def test_processes_that_have_ended_do_not_matter() -> None:
    assert waited_s([2**22 + 1]) == 0.0
    assert waited_s([os.getpid()]) >= 0.0
