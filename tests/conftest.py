"""What holds for every test: nothing is left behind, a hang shows where it is, random tests say how to repeat them.

- After each test, the same fds, threads and jobs are alive as before it.
- A test that takes too long ends the run and prints the stacks of all threads: ten minutes, or what its mark
  `watchdog(seconds)` says. SIMACCEL_WATCHDOG_SECONDS sets another limit for all, 0 for none.
- Hypothesis has no deadline, because a slow machine is no failure. With CI=true it has the same examples in each run.
"""

from __future__ import annotations

import faulthandler
import gc
import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy  # noqa: F401  here, because pytester forgets what its runs import, and numpy refuses to come twice
import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

from engine.jobs.thread import LOCAL
from tests import compiled, interrupting, scheduling
from tests.limits import TEST_S

# Where nothing that was compiled may be kept, every process that a test starts would compile all of our modules anew.
# That takes longer than most tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

WATCHDOG_SECONDS = TEST_S
CONFORMANCE_FULL_SECONDS = 7_200
FD_FOLDER = "/proc/self/fd"

settings.register_profile("dev", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")

_stderr = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """The stderr of the run itself, because nothing is captured here yet."""
    config.addinivalue_line("markers", "watchdog(seconds): how long the test may take before the run ends")
    config.addinivalue_line("markers", compiled.MARK)
    config.addinivalue_line("markers", "in_ci: left out by `make test`, not by CI and `make thorough`; see effort.py")
    config.addinivalue_line("markers", "alone: the test measures time or needs the machine for itself; see run_all.py")
    config.stash[_stderr] = interrupting.STDERR[0] = os.dup(2)
    # A shell that starts this in the background makes it ignore Ctrl-C, and nohup makes it ignore SIGHUP. The programs
    # that tests start would inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """For `-m alone`, leave the files out in which no test has that mark: to import them all takes longer than to run
    those tests."""
    if config.option.markexpr.split()[:1] != ["alone"] or not collection_path.name.startswith("test_"):
        return None
    return None if scheduling.has_mark(str(collection_path), "alone") else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    compiled.skip_where_compiled(items)
    if "PYTEST_XDIST_WORKER" in os.environ:
        scheduling.slow_first(items)


def pytest_collection_finish() -> None:
    """Keep modules and test items out of the garbage collector, so that a full collection takes 3 ms instead of 100."""
    _begin_hypothesis()
    gc.collect()
    gc.freeze()


@given(none())
@settings(max_examples=1, derandomize=True, database=None)
def _begin_hypothesis(nothing: None) -> None:
    """At its first use, Hypothesis asks the garbage collector whether anything refers to its random numbers. From 3.14
    on, only what is frozen by then does, so the answer would be no, and Hypothesis would complain."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """The same for what the tests of a file leave: modules, caches, reports. After thousands of tests that is more than
    all else, and hundreds of tests collect several times."""
    yield
    if nextitem is not None and nextitem.path != item.path:
        gc.collect()
        gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    os.close(config.stash[_stderr])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """For `--dist loadgroup`; None where another way was chosen."""
    return scheduling.Portions(config, log) if config.getoption("dist") == "loadgroup" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than the cores that this process may use, because many tests wait for processes and timers."""
    return _cores() + 1


def _cores() -> int:
    """What `-n auto` would count are the cores of the whole machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()  # of a container
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup, or "max"
        return cores


@pytest.fixture(autouse=True)
def watchdog(request: pytest.FixtureRequest) -> Iterator[None]:
    """Ends a run that hangs, by showing where: a thread that hangs in C can't be interrupted, so there is no retry."""
    seconds = _limit_s(request)
    if seconds:
        stderr = request.config.stash[_stderr]
        faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    yield
    if seconds:
        faulthandler.cancel_dump_traceback_later()


def _limit_s(request: pytest.FixtureRequest) -> float:
    chosen = os.environ.get("SIMACCEL_WATCHDOG_SECONDS")
    if chosen is not None:
        return float(chosen)
    mark = request.node.get_closest_marker("watchdog")
    if mark is not None:
        return float(mark.args[0])
    return CONFORMANCE_FULL_SECONDS if os.environ.get("SIMACCEL_CONFORMANCE") == "full" else WATCHDOG_SECONDS


@dataclass(frozen=True, slots=True)
class Held:
    """What this process and thread hold and must give back."""

    fds: dict[int, str]
    threads: frozenset[threading.Thread]
    jobs_alive: int
    blocked: int

    @classmethod
    def now(cls) -> Held:
        """What they hold now."""
        return cls(_open_fds(), frozenset(threading.enumerate()), LOCAL.state.alive, LOCAL.state.blocked)

    def more_than(self, before: Held) -> list[str]:
        """What they hold now and did not hold before, as text."""
        found = [f"fd {fd}: {what}" for fd, what in self.fds.items() if before.fds.get(fd) != what]
        found += [repr(thread) for thread in self.threads - before.threads if thread.is_alive()]
        if self.jobs_alive != before.jobs_alive:
            found.append(f"jobs alive: {self.jobs_alive}, {before.jobs_alive} before")
        if self.blocked != before.blocked:
            found.append(f"block_pauses depth: {self.blocked}, {before.blocked} before")
        return found


def _open_fds() -> dict[int, str]:
    held: dict[int, str] = {}
    if not os.path.isdir(FD_FOLDER):
        return held
    for name in os.listdir(FD_FOLDER):
        try:
            held[int(name)] = os.readlink(f"{FD_FOLDER}/{name}")
        except FileNotFoundError:  # the listing's own
            continue
    return held


@pytest.fixture(autouse=True)
def leak_check(watchdog: None) -> Iterator[None]:
    """Fails a test that leaves an fd, a thread or a job behind."""
    before = Held.now()
    yield
    if not Held.now().more_than(before):
        return
    gc.collect()  # what only waits for the garbage collector is not a leak
    for thread in frozenset(threading.enumerate()) - before.threads:
        thread.join(timeout=100)  # the thread may be about to end
    left = Held.now().more_than(before)
    if left:
        print("left behind:", *left, sep="\n  ", file=sys.stderr)
        pytest.fail("the test left behind: " + "; ".join(left), pytrace=False)


@pytest.fixture
def frequent_switches() -> Iterator[None]:
    """Threads give way to each other as often as they can, so that rare orders are met."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture
def reported() -> Iterator[list[BaseException]]:
    """What the device reports through threading.excepthook, instead of printing it."""
    errors: list[BaseException] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        assert args.exc_value is not None
        errors.append(args.exc_value)

    with pytest.MonkeyPatch.context() as patch:  # a separate MonkeyPatch, because a test may undo its own patches
        patch.setattr(threading, "excepthook", hook)
        yield errors
