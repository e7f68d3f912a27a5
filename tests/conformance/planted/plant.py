"""What a planted bug is: how to break simaccel, and which part of the suite must notice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

Break = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True, slots=True)
class Plant:
    """A bug. `plant` puts it in place; `check` runs the part of the suite that must raise DisagreementError."""

    name: str
    plant: Break
    check: Callable[[], None]


PLANTS: list[Plant] = []


def caught_by(check: Callable[[], None]) -> Callable[[Break], Break]:
    """Add a function that plants a bug to the list; its name names the bug."""

    def note(plant: Break) -> Break:
        PLANTS.append(Plant(plant.__name__.replace("_", " "), plant, check))
        return plant

    return note
