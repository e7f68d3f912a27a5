"""Raises an exception at every place where one can come, one place at a time: `interrupt_everywhere`.

A scenario is a context manager that yields a function to be interrupted. The code before its `yield` sets up. The code
after it checks that the next operation works, that `close()` works, and that the counts are right.

    @contextmanager
    def one_operation():
        accel = Accelerator(clock=VirtualClock())
        yield lambda: Engine(accel).sha256(b"interrupted")
        assert Engine(accel).sha256(b"next")
        accel.close()

    interrupt_everywhere(one_operation, [sim.device, Worker.wake])

There are two kinds of places, which interruptible.py finds: `SIGNALS` for KeyboardInterrupt, and `LINES` for
MemoryError and RecursionError.
"""

from __future__ import annotations

import faulthandler
import gc
import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any
from zlib import crc32

from tests import compiled
from tests.effort import pick
from tests.interruptible import entry, line_places, signal_places

SIGNALS, LINES = "signals", "lines"
STDERR = [2]
"""The fd on which a hang is shown. conftest.py sets it to the one that is not captured."""
EVERY = pick(8, 1, 1)
"""See `interrupt_everywhere`."""
NOTING_RUNS = 3
"""How many runs without an exception find the places. If there are threads, not every run comes to all places."""
Scenario = Callable[[], AbstractContextManager[Callable[[], object]]]

# Python 3.12 traces opcodes only after a settrace that comes when some frame has asked for them: this one has.
sys._getframe().f_trace_opcodes = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where an exception can come."""

    code: CodeType
    offset: int
    """The offset of the instruction before which it comes; -1 for the entry to the function."""
    line: int

    def __str__(self) -> str:
        at = "entry" if self.offset < 0 else f"offset {self.offset}"
        return f"{os.path.basename(self.code.co_filename)}:{self.line} in {self.code.co_qualname} ({at})"


class Raiser:
    """Raises `error()` at the nth visit of one place, in one thread. Or it raises nothing and only notes the places."""

    def __init__(
        self,
        watched: frozenset[CodeType],
        kind: str,
        place: Place | None,
        visit: int,
        error: type[BaseException],
        instead: Callable[[], object] | None = None,
    ) -> None:
        self.seen: dict[Place, int] = {}
        """The places that were visited, and how often."""
        self.raised: BaseException | None = None
        self._watched = watched
        self._places = signal_places if kind == SIGNALS else line_places
        self._lines = kind == LINES
        self._place = place
        self._visit = visit
        self._error = error
        self._instead = instead

    def trace(self, frame: FrameType, event: str, arg: Any) -> Any:
        """For sys.settrace."""
        if self.raised is not None or frame.f_code not in self._watched:
            return None
        frame.f_trace = self._trace_opcode  # set first, because otherwise Python 3.13 ignores f_trace_opcodes
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        if not self._lines and frame.f_lasti <= entry(frame.f_code):  # a generator that goes on is no entry
            self._visited(Place(frame.f_code, -1, frame.f_code.co_firstlineno))
        return self._trace_opcode

    def _trace_opcode(self, frame: FrameType, event: str, arg: Any) -> Any:
        if event == "opcode" and self.raised is None and frame.f_lasti in self._places(frame.f_code):
            self._visited(Place(frame.f_code, frame.f_lasti, frame.f_lineno or 0))
        return self._trace_opcode

    def _visited(self, place: Place) -> None:
        count = self.seen[place] = self.seen.get(place, 0) + 1
        if place == self._place and count == self._visit:
            self.raised = self._error()
            if self._instead is None:
                raise self.raised
            self._instead()


def interrupt_everywhere(
    scenario: Scenario,
    watched: Iterable[object],
    error: type[BaseException] = KeyboardInterrupt,
    *,
    kind: str = SIGNALS,
    visits: int = 2,
    new_threads: bool = False,
    limit_s: float = 120.0,
    instead: Callable[[], object] | None = None,
    every: int = EVERY,
) -> list[Place]:
    """Run the scenario once for each place in the watched code, and for each of the first `visits` visits of a place.
    Returns the places.

    - `watched`: functions, methods, classes and modules. For classes and modules, all functions in them.
    - `new_threads`: the exception comes in threads that are started meanwhile, even by the set-up. By default it comes
      in the thread that calls what the scenario yields.
    - `limit_s`: a run that takes longer ends the process, with the place and all stacks on stderr.
    - `instead`: is called instead of raising, as a signal handler is.
    - `every`: of so many places one is tried; the test's name decides which. Most tests have many parameters with which
      they come to the same places, so together they try nearly all.

    What the scenario yields may raise the exception itself, or another one because of it. If it raises anything else,
    or the checks raise, this fails, with the place as a note.
    """
    watched = list(watched)
    if any(map(compiled.is_compiled, watched)):
        compiled.skip("raises an exception at each place of the code")
    codes = frozenset(code for thing in watched for code in _codes(thing))
    with _no_foreign_finalizers(), _Watchdog(limit_s) as watchdog:
        noted: dict[Place, int] = {}
        for _ in range(NOTING_RUNS):
            raiser = Raiser(codes, kind, None, 0, error)
            _run(scenario, raiser, new_threads)
            noted |= raiser.seen
        places = list(noted)
        for number, place in enumerate(places[_first_of(every) :: every]):
            if number % 64 == 0:
                gc.collect()  # collected here, where we raise nothing
            for visit in range(1, visits + 1):
                watchdog.begin(f"{place}, visit {visit}")
                # To trace nothing but the code of that place takes a tenth of the time.
                raiser = Raiser(frozenset((place.code,)), kind, place, visit, error, instead)
                try:
                    _run(scenario, raiser, new_threads)
                except BaseException as failure:
                    failure.add_note(f"after {error.__name__} at {place}, visit {visit}")
                    raise
                if raiser.raised is None:
                    break
    assert places, "the scenario never came to the watched code"
    return places


def _first_of(every: int) -> int:
    return crc32(os.environ.get("PYTEST_CURRENT_TEST", "").encode()) % every


@contextmanager
def _no_foreign_finalizers() -> Iterator[None]:
    """Inside the `with`, the garbage collector runs only where we call it.

    Otherwise it could run at any instant, and finalize objects of an earlier test. The places in their `__del__` are
    not reached again in a second run of the scenario, and an exception there only reaches sys.unraisablehook.
    """
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _run(scenario: Scenario, raiser: Raiser, new_threads: bool) -> None:
    if new_threads:
        threading.settrace(raiser.trace)
    try:
        with scenario() as act:
            if not new_threads:
                sys.settrace(raiser.trace)
            try:
                act()
            except BaseException as outcome:
                if not _comes_of(outcome, raiser.raised):
                    raise
            finally:
                sys.settrace(None)
            if new_threads:
                threading.settrace(None)
    finally:
        if new_threads:
            threading.settrace(None)


def _comes_of(outcome: BaseException | None, cause: BaseException | None) -> bool:
    """Whether one exception was raised because of the other."""
    while outcome is not None and cause is not None:
        if outcome is cause:
            return True
        outcome = outcome.__cause__ or outcome.__context__
    return False


class _Watchdog:
    """A thread of its own: faulthandler's one timer is that of the test."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._what = "the run without an exception"
        self._begun = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="interrupting-watchdog", daemon=True)

    def begin(self, what: str) -> None:
        self._what = what
        self._begun += 1

    def _watch(self) -> None:
        seen = -1
        while seen != self._begun:
            seen = self._begun
            if self._over.wait(self._limit_s):
                return
        os.write(STDERR[0], f"\nhangs after {self._limit_s:g} s: {self._what}\n".encode())
        faulthandler.dump_traceback(file=STDERR[0])
        os._exit(3)

    def __enter__(self) -> _Watchdog:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._thread.join()


def _codes(thing: object) -> Iterable[CodeType]:
    if isinstance(thing, ModuleType):
        for value in vars(thing).values():
            if getattr(value, "__module__", None) == thing.__name__:
                yield from _codes(value)
    elif isinstance(thing, type):
        for value in vars(thing).values():
            yield from _codes(value)
    elif isinstance(thing, property):
        for part in (thing.fget, thing.fset):
            yield from _codes(part)
    else:
        function = inspect.unwrap(getattr(thing, "__func__", thing))  # type: ignore[arg-type]
        if isinstance(function, FunctionType):
            yield from _with_inner(function.__code__)


def _with_inner(code: CodeType) -> Iterable[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)
