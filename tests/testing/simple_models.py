"""Small models for several tests."""

from __future__ import annotations

from simaccel.testing import Run
from simaccel.testing.exploration.actor import Body


def lost_update(run: Run) -> None:
    """Two actors that each read a number, and write it back plus one."""
    number = [0]

    def add() -> Body:
        read = number[0]
        yield "write"
        number[0] = read + 1

    def check() -> None:
        assert number[0] == 2, f"the number is {number[0]}"

    run.actor("left", add)
    run.actor("right", add)
    run.at_end(check)
