"""Fair queueing. No clock: what a request waits for is counted in the costs of the requests done before it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from simaccel.bridge.device.fair_queue import TURN_NS, FairQueue

LONG_NS = 4_000_000
"""About what an RSA-4096 signature takes."""


def serve(queue: FairQueue[str], cost_ns: dict[str, int], count: int = 10**9) -> list[str]:
    """Whose items one worker does, one after the other, at most so many."""
    served: list[str] = []
    while len(served) < count and (owner := queue.take()) is not None:
        queue.charge(owner, cost_ns[owner])
        served.append(owner)
    return served


def busy(clients: int, count: int = 1_000) -> tuple[FairQueue[str], dict[str, int]]:
    queue: FairQueue[str] = FairQueue()
    names = [f"busy {number}" for number in range(clients)]
    for name in names:
        queue.add(name, [name] * count)
    return queue, dict.fromkeys(names, LONG_NS)


@pytest.mark.parametrize("clients", [1, 3, 100])
@pytest.mark.parametrize("before", [0, 1, 57, 500])
def test_a_client_with_one_request_waits_for_a_turn_at_most(clients: int, before: int) -> None:
    queue, cost_ns = busy(clients)
    serve(queue, cost_ns, before)
    queue.add("one", ["one"])
    served = serve(queue, cost_ns | {"one": LONG_NS}, 1 + 2 * clients)
    assert "one" in served
    waited_ns = LONG_NS * served.index("one")
    # At the beginning all the others have had as little as it.
    assert waited_ns <= TURN_NS + LONG_NS if before >= clients else waited_ns <= clients * LONG_NS


def test_each_has_an_equal_share_of_the_time_whatever_its_requests_take() -> None:
    cost_ns = {"long": 7_000_000, "short": 90_000, "middle": 1_100_000}
    queue: FairQueue[str] = FairQueue()
    for owner in cost_ns:
        queue.add(owner, [owner] * 100_000)
    served = Counter(serve(queue, cost_ns, 20_000))
    shares = [served[owner] * cost_ns[owner] for owner in cost_ns]
    assert max(shares) - min(shares) <= 2 * max(cost_ns.values())


def test_asking_again_and_again_for_one_item_gives_no_more_than_a_share() -> None:
    queue, cost_ns = busy(4)
    cost_ns["again"] = LONG_NS
    served: Counter[str] = Counter()
    queue.add("again", ["again"])
    for _ in range(2_000):
        (owner,) = serve(queue, cost_ns, 1)
        served[owner] += 1
        if owner == "again":
            queue.add("again", ["again"])
    assert served["again"] <= 2_000 / 5 + 2


def test_an_owner_that_was_away_has_no_claim_on_that_time() -> None:
    queue, cost_ns = busy(1)
    serve(queue, cost_ns, 500)
    cost_ns["late"] = LONG_NS
    queue.add("late", ["late"] * 500)
    served = Counter(serve(queue, cost_ns, 100))
    assert abs(served["late"] - served["busy 0"]) <= 2


def test_a_turn_is_of_one_client() -> None:
    """So that completions share interrupts."""
    queue, _ = busy(2)
    served = serve(queue, dict.fromkeys(["busy 0", "busy 1"], TURN_NS // 10), 200)
    changes = sum(one != other for one, other in pairwise(served))
    assert changes == 19


def test_what_a_client_waited_for_goes_with_it() -> None:
    queue, cost_ns = busy(3)
    serve(queue, cost_ns, 100)
    left = len(queue)
    dropped = queue.drop("busy 1")
    assert len(queue) == left - dropped > 0
    assert queue.drop("busy 1") == queue.drop("nobody") == 0
    queue.charge("busy 1", LONG_NS)
    served = serve(queue, cost_ns)
    assert len(served) == left - dropped
    assert set(served) == {"busy 0", "busy 2"}
    assert queue.take() is None
    queue.add("busy 1", ["busy 1"])
    assert serve(queue, cost_ns) == ["busy 1"]


@pytest.mark.parametrize("seed", range(20))
def test_each_item_is_taken_once_and_in_its_owners_order(seed: int) -> None:
    """Against the plainest thing that could be right: a list for each owner."""
    random = Random(seed)
    queue: FairQueue[tuple[int, int]] = FairQueue()
    model: dict[int, list[int]] = {owner: [] for owner in range(5)}
    serial = 0
    for _ in range(3_000):
        owner = random.randrange(5)
        way = random.randrange(10)
        if way < 3:
            count = random.randrange(4)
            queue.add(owner, [(owner, serial + index) for index in range(count)])
            model[owner] += range(serial, serial + count)
            serial += count
        elif way < 8:
            item = queue.take()
            assert (item is None) == (not any(model.values()))
            if item is not None:
                assert model[item[0]].pop(0) == item[1]
                queue.charge(item[0], random.choice([0, 10, TURN_NS, 10 * TURN_NS]))
        elif way == 8:
            queue.charge(owner, random.randrange(TURN_NS))
        elif random.randrange(5) == 0:
            assert queue.drop(owner) == len(model[owner])
            model[owner].clear()
        assert len(queue) == sum(map(len, model.values()))
    assert queue.clear() == sum(map(len, model.values()))
    assert len(queue) == 0
