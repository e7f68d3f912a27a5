"""What no Retry can be."""

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
