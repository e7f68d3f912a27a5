"""The pytest plugin, as far as every run pays for it: options, a mark, and a fixture that imports what it needs.

It imports nothing of simaccel by itself, so that suites that do not use the fixture `accel` pay a millisecond for it.
What the fixture does is in `engine.pytest_plugin`.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from engine.testing.accel import Accel


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("simaccel", "simulated accelerator (fixture accel)")
    group.addoption(
        "--accel-seed", type=_whole, metavar="SEED", help="the seed of every test that uses accel; default: picked"
    )
    group.addoption(
        "--accel-seeds",
        type=_whole,
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


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "accel(clock='virtual', depth=256, units, latency, faults, notify, contract, retry, deadline_ns, misuse, "
        "ignore, invariants): how the fixture accel is made for this test",
    )
    if config.option.accel_seed is None:
        picked = getattr(config, "workerinput", {}).get("accel_seed")  # by xdist's controller
        config.option.accel_seed = int.from_bytes(os.urandom(4), "big") if picked is None else picked


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """xdist starts a worker: all have one seed, also because the seed may be in the names of tests."""
    node.workerinput["accel_seed"] = node.config.option.accel_seed


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    count = metafunc.config.option.accel_seeds
    if count is not None and "accel" in metafunc.fixturenames:
        first = metafunc.config.option.accel_seed
        seeds = range(first, first + count)
        metafunc.parametrize("accel", seeds, indirect=True, ids=[f"seed{seed}" for seed in seeds])


@pytest.fixture
def accel(request: pytest.FixtureRequest) -> Generator[Accel]:
    """A simulated accelerator with an engine and a scheduler, in virtual time; see engine.testing.accel.Accel."""
    from engine.pytest_plugin import made_for

    yield from made_for(request)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Generator[None, Any, Any]:
    report = yield
    if report.failed and "accel" in getattr(item, "fixturenames", ()):
        from engine.pytest_plugin import explain

        explain(item, report)
    return report


def _whole(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value
