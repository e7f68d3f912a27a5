"""What each thread has for itself, compiled or not."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from weakref import ref

from hotpath.local import Local


class Own:
    """A state that can be told from others."""


def in_a_thread(fn: Callable[[], object]) -> None:
    thread = threading.Thread(target=fn)
    thread.start()
    thread.join()


def test_each_thread_has_one_of_its_own_and_keeps_it() -> None:
    local = Local(Own)
    seen = [local.state]
    in_a_thread(lambda: seen.extend((local.state, local.state)))
    mine, other, again = seen
    assert other is again
    assert mine is not other
    assert local.state is mine


def test_two_of_them_do_not_mix() -> None:
    first, second = Local(Own), Local(Own)
    seen = [first.state, second.state, first.state, second.state]
    assert seen[0] is seen[2] is not seen[1]
    assert seen[1] is seen[3]


def test_what_is_set_is_found_by_this_thread_alone() -> None:
    local = Local(Own)
    before, mine = local.state, Own()
    local.state = mine
    other: list[Own] = []
    in_a_thread(lambda: other.append(local.state))
    assert local.state is mine
    assert other[0] not in (before, mine)


def test_a_thread_that_ends_takes_its_own_along() -> None:
    """And the next thread, which may have the same place in memory, makes a new one."""
    local = Local(Own)
    gone: list[ref[Own]] = []
    for _ in range(20):
        in_a_thread(lambda: gone.append(ref(local.state)))
        in_a_thread(lambda: local.state)
    gc.collect()
    assert all(one() is None for one in gone)


def test_a_finaliser_that_asks_while_its_thread_ends_gets_a_state() -> None:
    local = Local(Own)
    found: list[Own] = []

    class Asks:
        def __del__(self) -> None:
            found.append(local.state)

    def work() -> None:
        local.state.asks = Asks()  # type: ignore[attr-defined]

    in_a_thread(work)
    gc.collect()
    assert len(found) == 1
    assert local.state is not found[0]


def test_others_lose_nothing_when_a_thread_ends() -> None:
    local = Local(Own)
    mine = local.state
    for _ in range(3):
        in_a_thread(lambda: local.state)
        assert local.state is mine
