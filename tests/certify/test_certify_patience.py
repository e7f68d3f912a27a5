"""Patience: the time in which the processes get no CPU does not count."""

from __future__ import annotations

import os

import pytest

from simaccel.certify import patience
from simaccel.certify.patience import AT_MOST, Patience, waited_s


class Times:
    """The clock, and how long the processes have waited for a CPU. Both stand still until a test sets them."""

    now_s = 100.0
    waited_s = 7.0


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    times = Times()
    monkeypatch.setattr(patience, "monotonic", lambda: times.now_s)
    monkeypatch.setattr(patience, "waited_s", lambda pids: times.waited_s)
    return times


def test_on_an_idle_machine_the_limit_is_the_limit(times: Times) -> None:
    waits = Patience(2.0, list)
    times.now_s += 2.0
    assert not waits.is_over()
    times.now_s += 0.1
    assert waits.is_over()


def test_time_without_a_cpu_does_not_count(times: Times) -> None:
    waits = Patience(2.0, list)
    times.now_s += 5.0
    times.waited_s += 3.5
    assert not waits.is_over()
    times.now_s += 0.6
    assert waits.is_over()


def test_progress_begins_a_wait_anew(times: Times) -> None:
    waits = Patience(2.0, list)
    times.now_s += 1.9
    times.waited_s += 1.0
    waits.begin()
    assert waits.since_s == times.now_s
    times.now_s += 1.9
    assert not waits.is_over()
    times.now_s += 0.2
    assert waits.is_over(), "what was waited for before does not count"


def test_a_wait_ends_in_any_case(times: Times) -> None:
    """A server with busy threads never has enough CPU."""
    waits = Patience(2.0, list)
    times.now_s += AT_MOST * 2.0
    times.waited_s += 1000
    assert not waits.is_over()
    times.now_s += 0.1
    assert waits.is_over()


def test_processes_that_have_ended_do_not_matter() -> None:
    assert waited_s([2**22 + 1]) == 0.0
    assert waited_s([os.getpid()]) >= 0.0
