"""The pytest plugin: options, a mark, and a fixture. Every run of pytest loads this file.

So it imports nothing of simaccel by itself, and costs a millisecond in suites that do not use the fixture `accel`. What
the fixture does is in `simaccel.testing.fixture`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from simaccel.testing.accel import Accel

os.environ.setdefault("SIMACCEL_PURE", "1")
"""The misuse detector, `explore` and whoever patches a class of ours need the Python of the hot path. So it runs under
pytest, here and in the processes that tests start, unless the variable is set to 0."""
HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
PACKAGES = ("engine", "hotpath", "sim", "waitctx")
"""Our packages that another package of the same name can shadow. They are in the folder HERE."""

_explain = pytest.StashKey[Callable[[pytest.Item, pytest.TestReport], None]]()
"""For a test that uses our fixture: the function that adds to the report of its failure."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simaccel", "simulated accelerator (fixture accel)")
    group.addoption(
        "--accel-seed",
        type=_whole(0),
        metavar="SEED",
        help="the seed of every test that uses accel; default: picked",
    )
    group.addoption(
        "--accel-seeds",
        type=_whole(1),
        metavar="N",
        help="run each test that uses accel N times, with seeds from --accel-seed on",
    )
    group.addoption(
        "--accel-trace",
        nargs="?",
        const="",
        metavar="DIR",
        help="write what happens on the device of each test to a file, in DIR or in pytest's cache",
    )
    group.addoption(
        "--accel-schedule", metavar="FILE", help="have accel.explore replay this schedule instead of exploring"
    )
    group.addoption(
        "--accel-scenario",
        action="append",
        default=[],
        metavar="NAME",
        help="have accel.certify play this scenario alone; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "accel(clock='virtual', depth=256, units, latency, faults, notify, contract, retry, deadline_ns, misuse, "
        "ignore, strict, invariants): how the fixture accel is made for this test",
    )
    schedule = config.option.accel_schedule
    if schedule is not None and not os.path.isfile(schedule):
        raise pytest.UsageError(f"--accel-schedule={schedule}: there is no such file")
    folder = config.option.accel_trace
    if folder is not None and find_spec("numpy") is None:
        from simaccel.extras import it_needs

        raise pytest.UsageError(f"--accel-trace: {it_needs('numpy')}")
    if folder and os.path.exists(folder) and not os.path.isdir(folder):
        raise pytest.UsageError(f"--accel-trace={folder}: that is a file; give a folder, or nothing for pytest's cache")
    if config.option.accel_seed is None:
        picked = getattr(config, "workerinput", {}).get("accel_seed")  # by xdist's controller
        config.option.accel_seed = int.from_bytes(os.urandom(4), "big") if picked is None else picked


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give the seed to a worker that xdist starts. All workers need the same, because names of tests may contain it."""
    node.workerinput["accel_seed"] = node.config.option.accel_seed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.option.accel_seeds
    if count is not None and "_accel_seed" in metafunc.fixturenames:
        first = metafunc.config.option.accel_seed
        seeds = range(first, first + count)
        metafunc.parametrize("_accel_seed", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def _accel_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this test. It is a separate fixture, so that a suite may have a fixture `accel` of its own."""
    seed: int = getattr(request, "param", request.config.option.accel_seed)
    return seed


@pytest.fixture
def accel(request: pytest.FixtureRequest, _accel_seed: int) -> Generator[Accel]:
    """A simulated accelerator with an engine and a scheduler, in virtual time; see simaccel.testing.accel.Accel."""
    shadow = _shadow()
    if shadow is not None:
        pytest.fail(shadow, pytrace=False)
    from simaccel.testing.fixture import explain, made_for

    request.node.stash[_explain] = explain
    yield from made_for(request, _accel_seed)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    """Leave our frames out of the traceback of a failure, and say how to repeat it."""
    with _hidden_frames(item) if call.excinfo is not None else nullcontext():
        report = yield
    explain = item.stash.get(_explain, None)
    if report.failed and explain is not None:
        explain(item, report)
    return report


def _hidden_frames(item: pytest.Item) -> AbstractContextManager[None]:
    if "engine" not in sys.modules or _shadow() is not None:  # nothing of ours was run
        return nullcontext()
    if os.path.realpath(item.config.rootpath) == HERE:  # this is our own suite, in which our frames matter
        return nullcontext()
    from simaccel.testing.traceback_frames import hidden_frames

    return hidden_frames(HERE, (*PACKAGES, "simaccel"))


def _shadow() -> str | None:
    """The message if `import` finds another package with the name of one of ours; None if it finds ours.

    Such a package comes before ours on sys.path, where the root of a suite is. We can't run with it, because our
    modules import each other by these names.
    """
    for name in PACKAGES:
        ours = os.path.join(HERE, name)
        found = _found(name)
        if found is None or os.path.realpath(found).startswith(ours + os.sep):
            continue
        return (
            f"the fixture accel needs simaccel's package {name!r}, {ours}, but `import {name}` finds {found}. Rename "
            f"that one, or move it into a package with a name of its own (such as myproject/{name}): a process can "
            f"have only one top-level {name!r}. simaccel's are {', '.join(PACKAGES)}."
        )
    return None


def _found(name: str) -> str | None:
    """The file of the package or module that `import name` finds, or its folder if it has no file."""
    module = sys.modules.get(name)
    spec = find_spec(name) if module is None else None
    file = getattr(module, "__file__", None) or (spec and spec.has_location and spec.origin)
    if file:
        return str(file)
    folders = getattr(module, "__path__", None) or (spec and spec.submodule_search_locations)
    return next(iter(folders), None) if folders else None


def _whole(least: int) -> Callable[[str], int]:
    """A function that reads the whole number of an option."""

    def whole(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r}: use a whole number of at least {least}")
        return value

    return whole
