"""docs/conformance.md says what the tests say."""

from __future__ import annotations

from tests.conformance.table import TARGET, text


def test_table_is_up_to_date() -> None:
    assert TARGET.read_text() == text(), "run: python -m tests.conformance.table"
