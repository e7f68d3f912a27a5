"""The figures in docs/performance.md are put there, not typed."""

from __future__ import annotations

import pytest

from benchmarks.figures import MAKERS, PAGE, filled


def test_figures_take_the_place_of_those_before_and_the_text_stays() -> None:
    page = "before\n<!-- bare -->\nold\n<!-- end -->\nafter\n"
    report = {"bare": {"stackful pair": [700.0, 800.0, 750.0]}}
    once = filled(page, report)
    assert once.startswith("before\n<!-- bare -->\n")
    assert once.endswith("\n<!-- end -->\nafter\n")
    assert "| stackful pair | 750 | 725 to 775 |" in once
    assert "old" not in once
    assert filled(once, report) == once


def test_a_run_without_a_part_that_the_page_shows_is_refused() -> None:
    with pytest.raises(KeyError, match="bare"):
        filled("<!-- bare -->\n<!-- end -->", {})


def test_the_page_has_a_place_for_every_figure() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in MAKERS:
        assert page.count(f"<!-- {name} -->") == 1
