"""What no Retry can be, and how long each waits."""

from __future__ import annotations

from typing import Any

import pytest

from engine import Retry, UsageError


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wake", "later"),
        ("wake", None),
        ("limit", 0),
        ("limit", -1),
        ("limit", 1.5),
        ("limit", True),
        ("backoff_ns", -1),
        ("backoff_ns", "1ms"),
        ("backoff_max_ns", -5),
        ("blocking_limit", 0),
        ("blocking_limit", None),
    ],
)
def test_a_retry_that_can_not_be(field: str, value: Any) -> None:
    with pytest.raises(UsageError, match=f"retry {field}={value!r}: use"):
        Retry(**{field: value})


def test_a_back_off_above_its_own_maximum_is_refused() -> None:
    with pytest.raises(UsageError, match="backoff_max_ns=5 is below backoff_ns=6"):
        Retry(backoff_ns=6, backoff_max_ns=5)


def test_the_least_that_each_may_be() -> None:
    assert Retry(limit=1, blocking_limit=1, backoff_ns=0, backoff_max_ns=0).limit == 1
    assert Retry(backoff_ns=6, backoff_max_ns=6).pause_ns(1) == 6


def test_a_back_off_doubles_with_each_try_up_to_its_maximum() -> None:
    retry = Retry(backoff_ns=3, backoff_max_ns=20)
    assert [retry.pause_ns(tries) for tries in range(1, 6)] == [3, 6, 12, 20, 20]
    assert [retry.sleep_ns(tries) for tries in (1, 2, 3)] == [3, 6, 12]
    assert Retry().pause_ns(9) == 0


def test_a_back_off_doubles_forty_times_at_most() -> None:
    """The number must not grow with each of a million tries."""
    retry = Retry(backoff_ns=1, backoff_max_ns=1 << 60)
    for tries, wait_ns in ((40, 1 << 39), (41, 1 << 40), (42, 1 << 40), (1_000_000, 1 << 40)):
        assert retry.pause_ns(tries) == retry.sleep_ns(tries) == wait_ns


def test_a_thread_always_sleeps_between_its_tries() -> None:
    assert [Retry().sleep_ns(tries) for tries in (1, 2, 9)] == [50_000, 100_000, 10_000_000]
    assert Retry(backoff_max_ns=0).sleep_ns(5) == 50_000
