"""Which member of a fleet takes the next request."""

from __future__ import annotations

from collections import Counter

import pytest

from sim.errors import UsageError
from simaccel.fleet.policies import FULL, POLICIES, make_policy


@pytest.mark.parametrize("name", POLICIES)
def test_a_member_that_can_take_none_is_never_chosen(name: str) -> None:
    policy = make_policy(name)
    for key in range(50):
        assert policy.choose([FULL, 3, FULL], "rsa-sign", key) == 1
    assert policy.choose([FULL, FULL], "rsa-sign", 1) == -1


def test_least_in_flight_takes_turns_among_equals() -> None:
    policy = make_policy("least-in-flight")
    assert [policy.choose([1, 0, 0, 0], "x", 0) for _ in range(5)] == [1, 2, 3, 1, 2]
    assert policy.choose([5, 4, 9, 4], "x", 0) == 3


def test_round_robin_leaves_out_the_full() -> None:
    policy = make_policy("round-robin")
    assert [policy.choose([9, FULL, 0], "x", 0) for _ in range(4)] == [0, 2, 0, 2]


def test_by_key_keeps_a_session_on_one_member_and_spreads_sessions() -> None:
    policy = make_policy("by-key")
    first = {key: policy.choose([0, 0, 0, 0], "rsa-sign", key) for key in range(400)}
    assert all(policy.choose([7, 1, 3, 0], "rsa-sign", key) == member for key, member in first.items())
    assert all(60 < count < 140 for count in Counter(first.values()).values())
    # Where a member goes, only its sessions move, and not all to one.
    moved = {key: policy.choose([0, 0, FULL, 0], "rsa-sign", key) for key in first}
    assert all(moved[key] == member for key, member in first.items() if member != 2)
    assert len({moved[key] for key, member in first.items() if member == 2}) == 3


def test_by_op_keeps_an_operation_on_one_member() -> None:
    policy = make_policy("by-op")
    assert len({policy.choose([0, 0, 0], "rsa-sign", key) for key in range(20)}) == 1
    assert len({policy.choose([0, 0, 0], f"op {number}", 0) for number in range(20)}) == 3


def test_equal_calls_give_equal_answers_in_any_process() -> None:
    assert [make_policy("by-key").choose([0] * 5, "rsa-sign", key) for key in range(6)] == [4, 3, 4, 1, 2, 4]


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UsageError, match=r"policy 'robin': did you mean round-robin\? use one of least-in-flight, "):
        make_policy("robin")
