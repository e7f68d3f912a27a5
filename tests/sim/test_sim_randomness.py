"""One seed: equal ones give equal streams, in any process; unequal ones and unequal names differ."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UsageError
from sim.randomness import Randomness


def test_the_streams_are_the_same_for_ever() -> None:
    # Pinned: a seed in somebody's bug report must replay on every version of Python and of this package.
    stream = Randomness(42).stream("service")
    assert [stream.getrandbits(32) for _ in range(3)] == [4215894420, 3109176485, 3272861172]
    assert [stream.random() for _ in range(2)] == [0.8274355802619419, 0.3577738151877028]


@given(st.integers(min_value=0), st.text())
def test_equal_seeds_and_names_give_equal_streams(seed: int, name: str) -> None:
    first, second = (Randomness(seed).stream(name) for _ in range(2))
    assert [first.random() for _ in range(5)] == [second.random() for _ in range(5)]


@given(st.integers(min_value=0, max_value=2**70), st.integers(min_value=0, max_value=2**70))
def test_unequal_seeds_give_unequal_streams(seed: int, other: int) -> None:
    same = Randomness(seed).stream("faults").getrandbits(128) == Randomness(other).stream("faults").getrandbits(128)
    assert same == (seed == other)


@given(st.text(), st.text())
def test_unequal_names_give_unequal_streams(name: str, other: str) -> None:
    randomness = Randomness(7)
    same = randomness.stream(name).getrandbits(128) == randomness.stream(other).getrandbits(128)
    assert same == (name == other)


def test_a_stream_starts_anew_and_owes_nothing_to_others() -> None:
    randomness = Randomness(1)
    alone = randomness.stream("latency").random()
    randomness.stream("service").random()
    assert randomness.stream("latency").random() == alone


def test_hash_seed_and_process_make_no_difference() -> None:
    code = "from sim.randomness import Randomness; print(Randomness(9).stream('faults').getrandbits(64))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "12345")
    }
    assert outputs == {str(Randomness(9).stream("faults").getrandbits(64))}


def test_a_seed_is_picked_shown_and_replays() -> None:
    picked = Randomness()
    assert 0 <= picked.seed < 2**64
    assert str(picked.seed) in repr(picked)
    assert Randomness(picked.seed).stream("x").random() == picked.stream("x").random()
    assert Randomness().seed != picked.seed


@pytest.mark.parametrize("seed", [-1, 1.0, "1", True, False, b"1", [1]])
def test_bad_seeds_are_refused(seed: Any) -> None:
    with pytest.raises(UsageError, match="use a whole number, 0 or more, or None"):
        Randomness(seed)
