"""The tool that interrupts at every place: it finds what is not safe, and lets pass what is."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.ctrl_c import storm
from tests.interrupting import LINES, SIGNALS, Scenario, interrupt_everywhere


class Moves:
    """Moves numbers from one deque to another: by taking first, or by looking first."""

    def __init__(self) -> None:
        self.source = deque([1, 2, 3])
        self.target: deque[int] = deque()
        self.lock = threading.Lock()

    def carelessly(self) -> None:
        while self.source:
            number = self.source.popleft()
            self.target.append(number)

    def carefully(self) -> None:
        while self.source:
            number = self.source[0]
            if number not in self.target:
                self.target.append(number)
            del self.source[0]

    def locked(self) -> None:
        with self.lock:
            self.carefully()

    def locked_by_hand(self) -> None:
        self.lock.acquire()
        self.carefully()
        self.lock.release()


def scenario_of(way: Callable[[Moves], None]) -> Scenario:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        moves = Moves()
        yield lambda: way(moves)
        assert not moves.lock.locked()
        moves.carefully()
        assert list(moves.target) == [1, 2, 3]

    return scenario


@pytest.mark.parametrize(("kind", "error"), [(SIGNALS, KeyboardInterrupt), (LINES, MemoryError)])
@pytest.mark.parametrize(
    ("way", "safe"),
    [(Moves.carelessly, False), (Moves.carefully, True), (Moves.locked, True), (Moves.locked_by_hand, False)],
)
def test_what_is_not_safe_is_found(
    kind: str, error: type[BaseException], way: Callable[[Moves], None], safe: bool
) -> None:
    if safe:
        assert interrupt_everywhere(scenario_of(way), [way, Moves.carefully], error, kind=kind, every=1)
        return
    with pytest.raises(AssertionError) as failure:
        interrupt_everywhere(scenario_of(way), [way, Moves.carefully], error, kind=kind, every=1)
    assert f"after {error.__name__} at test_interrupting.py:" in failure.value.__notes__[0]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_by_every_third_place_three_tests_come_to_all(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.interrupting._first_of", lambda every: first)
    places: list[int] = []

    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        moves = Moves()

        def act() -> None:
            try:
                moves.carefully()
            except MemoryError as error:
                places.append(error.__traceback__.tb_next.tb_lineno)  # type: ignore[union-attr]
                raise

        yield act

    every = interrupt_everywhere(scenario, [Moves.carefully], MemoryError, kind=LINES, every=3, visits=1)
    assert places == [place.line for place in every][first::3]


def test_an_exception_in_a_thread_that_is_started_meanwhile() -> None:
    @contextmanager
    def scenario() -> Iterator[Callable[[], object]]:
        moves, raised = Moves(), []

        def run() -> None:
            try:
                Moves.carelessly(moves)
            except MemoryError as error:
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        yield thread.join
        assert not raised or len(moves.source) + len(moves.target) == 3

    with pytest.raises(AssertionError):
        interrupt_everywhere(scenario, [Moves.carelessly], MemoryError, kind=LINES, new_threads=True, every=1)


def test_what_was_not_raised_because_of_it_comes_out() -> None:
    def fails(moves: Moves) -> None:
        raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        interrupt_everywhere(scenario_of(fails), [Moves.carefully])


def test_a_storm_interrupts_at_most_once_a_round() -> None:
    @contextmanager
    def scenario(choice: object) -> Iterator[Callable[[], object]]:
        moves = Moves()

        def act() -> None:
            for _ in range(200):
                moves.source.append(1)
                moves.locked()

        yield act
        assert not moves.lock.locked()
        moves.carefully()

    rounds, hits = storm(scenario, seed=1, seconds=60, rounds=100)
    assert rounds == 100
    assert 0 < hits <= rounds
