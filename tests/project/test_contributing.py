"""CONTRIBUTING.md says what to touch. Nothing that one may want to add takes more than three places."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"
MOST_PLACES = 3


def test_to_add_something_touches_at_most_three_places() -> None:
    rows = re.findall(r"^\| (?!to add|---)(.+?) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    places = {what: re.findall(r"`[\w.*/]+(?:/|\.\w+)`|\]\(", where) for what, where in rows}
    assert len(rows) > 15
    assert {what: named for what, named in places.items() if len(named) > MOST_PLACES} == {}
