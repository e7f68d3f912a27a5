"""Mixed load, round after round: nothing lost, no fd, thread or job left, and memory that does not grow.

Some seconds for every CI run; SIMACCEL_SOAK_SECONDS=3600 makes it an hour. The seed is printed, and
SIMACCEL_SOAK_SEED sets it; round n has the seed plus n.
"""

from __future__ import annotations

import gc
import os
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import pytest

from tests.conftest import Held
from tests.effort import pick
from tests.soak.load import Round

ROUNDS, JOBS = pick(50, 80, 80), 60
SECONDS = float(os.environ.get("SIMACCEL_SOAK_SECONDS", "0"))
SEED = int(os.environ.get("SIMACCEL_SOAK_SEED", "1"))
WARM_UP = 20
"""Rounds before memory is looked at: caches, pools and the interpreter's own free lists fill up once."""
SLACK_BYTES = 48 * 1024
"""What the floor may rise by. In CI, to lose 30 bytes an operation lifts it by more; in `make test`, to lose 60."""


def grown_bytes(after_rounds: Sequence[int]) -> int:
    """By how much the floor of the last third lies above the ceiling of the first, given what is held after each round.

    Floor and ceiling, because rounds differ in what they leave to caches; a leak lifts the floor all the same.
    """
    third = max(len(after_rounds) // 3, 1)
    return min(after_rounds[-third:]) - max(after_rounds[:third])


@pytest.mark.watchdog(600 + 2 * SECONDS)
def test_mixed_load() -> None:
    print(f"SIMACCEL_SOAK_SEED={SEED}")
    before = Held.now()
    ends: Counter[str] = Counter()
    held: list[int] = []
    end_s = time.monotonic() + SECONDS
    tracemalloc.start()
    try:
        number = 0
        while number < ROUNDS or time.monotonic() < end_s:
            ends += Round(SEED + number).run(JOBS)
            number += 1
            gc.collect()
            assert Held.now().more_than(before) == [], f"round {number} left something behind"
            if number > WARM_UP:
                held.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert min(ends[kind] for kind in ("ok", "failed", "late", "cancelled", "ring full")) > 0, ends
    assert grown_bytes(held) < SLACK_BYTES, held


def test_a_leak_would_be_seen() -> None:
    flat = [1_000_000 + 10_000 * (number % 3) for number in range(16)]
    assert grown_bytes(flat) < SLACK_BYTES
    leaking = [held + 16 * 1024 * number for number, held in enumerate(flat)]
    assert grown_bytes(leaking) > SLACK_BYTES
