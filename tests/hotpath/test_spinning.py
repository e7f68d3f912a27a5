"""A thread that spins before it sleeps. Only compiled code does; the Python never spins."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from time import monotonic_ns

import pytest

import hotpath
from engine.offload.wakers import BlockedThread
from hotpath.spinning import PAYS_NS, Spinner

SPINS = hotpath.COMPILED and len(os.sched_getaffinity(0)) > 1
spins = pytest.mark.skipif(not SPINS, reason="spinning needs the compiled hot path and two cores")
FOREVER = -1
NO_EPOLL = -1


@pytest.fixture
def readable() -> Iterator[int]:
    """An epoll that always has an event. A spin on it ends at once, so it tells whether the thread spins at all."""
    fd = os.eventfd(1, os.EFD_CLOEXEC)
    with select.epoll() as poller:
        poller.register(fd, select.EPOLLIN)
        yield poller.fileno()
    os.close(fd)


def pass_time(duration_ns: int) -> None:
    until_ns = monotonic_ns() + duration_ns
    while monotonic_ns() < until_ns:
        pass


def test_the_python_never_spins(readable: int) -> None:
    if not hotpath.COMPILED:
        assert not Spinner().spin(FOREVER, readable)


@spins
def test_a_readable_fd_ends_a_spin(readable: int) -> None:
    spinner = Spinner()
    assert spinner.spin(FOREVER, readable)
    assert not spinner.spinning


@spins
def test_another_thread_ends_a_spin() -> None:
    """It may come too late for a spin of 50 us, and then comes in time for one of the next."""
    spinner, stop = Spinner(), threading.Event()

    def end_it() -> None:
        while not stop.is_set():
            if spinner.spinning:
                spinner.end()

    other = threading.Thread(target=end_it)
    other.start()
    try:
        while not spinner.spin(FOREVER, NO_EPOLL):
            pass
    finally:
        stop.set()
        other.join()


@spins
def test_nobody_spins_for_no_time(readable: int) -> None:
    assert not Spinner().spin(0, readable)


@spins
def test_after_each_spin_in_vain_twice_as_many_waits_go_without(readable: int) -> None:
    spinner = Spinner()
    for skipped in (1, 3, 7):
        assert not spinner.spin(1, NO_EPOLL)
        waits = [spinner.spin(FOREVER, readable) for _ in range(skipped)]
        assert waits == [False] * skipped
    assert spinner.spin(FOREVER, readable)
    assert spinner.spin(FOREVER, readable), "after one that was not in vain, all waits spin again"


@spins
def test_a_thread_whose_waits_are_long_does_not_spin(readable: int) -> None:
    spinner = Spinner()
    for _ in range(16):
        spinner.spin(0, readable)
        pass_time(4 * PAYS_NS)  # a sleep, in which nobody says when the thread was woken
        spinner.waited()
    assert not spinner.spin(FOREVER, readable)


@spins
def test_a_wait_lasts_until_the_thread_is_woken_and_not_until_it_runs(readable: int) -> None:
    """Waits that were ended at once, after which the thread waited long for the GIL: spinning still pays."""
    spinner = Spinner()
    for _ in range(64):
        spinner.spin(0, readable)
        spinner.end()
        pass_time(4 * PAYS_NS)
        spinner.waited()
    assert spinner.spin(FOREVER, readable)


@spins
def test_a_thread_that_blocks_for_an_operation_lets_those_that_it_woke_go_on(readable: int) -> None:
    """On a busy machine the thread may now and then be too late for that."""
    Spinner().spin(0, readable)  # this thread counts as one that spins from now on, as if it had run a scheduler
    assert sum(_goes_on(readable) for _ in range(100)) > 50


def _goes_on(readable: int) -> bool:
    """Whether a thread that spins, and is woken by this one before it blocks, had not to wait in vain for the GIL."""
    spinner, blocked, spins_again = Spinner(), BlockedThread(), list[bool]()

    def spin() -> None:
        while not spinner.spin(FOREVER, NO_EPOLL):
            blocked.rouse()
        spins_again.append(spinner.spin(FOREVER, readable))
        blocked.rouse()

    other = threading.Thread(target=spin)
    other.start()
    while not spins_again:
        if spinner.spinning:
            spinner.end()
            blocked.sleep()
        os.sched_yield()
    other.join()
    return spins_again[0]
