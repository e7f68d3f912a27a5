"""The pytest plugin beside other plugins, and in suites that do not use it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

import simaccel.testing.fixture
import simaccel.testing.models
import simaccel.testing.strategies  # noqa: F401 - see run
from tests import few_plugins

pytest_plugins = ["pytester"]


INI = """
[pytest]
addopts = --strict-markers
filterwarnings = error
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """In this process, which is quicker: all that it imports is imported already, and so stays."""
    return pytester.runpytest_inprocess(*args)


def test_with_pytest_asyncio(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import asyncio
        import hashlib
        import pytest

        @pytest.mark.asyncio
        @pytest.mark.accel(latency="fixed:3600s")
        async def test_it(accel):
            digests = await asyncio.gather(*(accel.engine.aio.sha256(b"%d" % n) for n in range(9)))
            assert digests == [hashlib.sha256(b"%d" % n).digest() for n in range(9)]
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_with_xdist(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers have one seed, with its tests by name; and a failure in one comes with its replay line."""
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    for name, value in few_plugins.variables("xdist.plugin").items():
        monkeypatch.setenv(name, value)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_it(accel, n):
            accel.run(accel.engine.sha256, b"x")
            assert n < 3
        """
    )
    result = pytester.runpytest_subprocess("-n2", "--accel-seeds=2")
    result.assert_outcomes(passed=6, failed=2)
    seeds = {line for line in result.outlines if line.startswith("seed: ")}
    replays = [line for line in result.outlines if line.startswith("replay: ")]
    assert len(seeds) == len(replays) == 2


def test_with_hypothesis(pytester: pytest.Pytester) -> None:
    """A schedule is drawn and shrunk; and the fixture makes a fresh device for each example."""
    pytester.makepyfile(
        """
        from hypothesis import HealthCheck, given, settings
        from hypothesis import strategies as st
        from simaccel.testing.models import EngineModel
        from simaccel.testing.strategies import schedules

        @given(schedules(), st.integers(0, 99))
        @settings(max_examples=300, database=None, derandomize=True, deadline=None)
        def test_lost_update(schedule, start):
            def model(run):
                number = [start]

                def add():
                    read = number[0]
                    yield "write"
                    number[0] = read + 1

                def check():
                    assert number[0] == start + 2 or start < 7, f"{number[0]} from {start}"

                run.actor("left", add)
                run.actor("right", add)
                run.at_end(check)

            schedule.run(model)

        @given(schedules(preemptions=3))
        @settings(max_examples=10, database=None, derandomize=True, deadline=None)
        def test_good(schedule):
            schedule.run(EngineModel(notify="callback", step_into=()))

        @given(seed=st.integers(0, 1000))
        @settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
        def test_fixture(accel, seed):
            with accel.again(seed=seed, depth=2) as fresh:
                assert fresh.device.seed == seed
                assert len(fresh.map(fresh.engine.sha256, [b"x"] * 5)) == 5
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=2, failed=1)
    # Shrunk: the least start that fails, and one preemption.
    result.stdout.fnmatch_lines(["*FAILS: AssertionError: 8 from 7*", "*4 steps and 1 preemptions*"])


def test_it_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    run(pytester, "-p", "no:simaccel").assert_outcomes(passed=1)


def test_a_suite_that_does_not_use_it_imports_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_it():
            assert "simaccel.pytest_plugin" in sys.modules
            loaded = {name.partition(".")[0] for name in sys.modules}
            assert not loaded & {"engine", "sim", "waitctx", "greenlet", "numpy", "cryptography"}
        """
    )
    # Blocked by name, so that the entry point of ours is loaded like that of others, and these take no time.
    blocked = [word for name in ("asyncio", "hypothesispytest", "xdist") for word in ("-p", f"no:{name}")]
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.runpytest_subprocess(*blocked).assert_outcomes(passed=1)


def test_loading_it_takes_little(pytester: pytest.Pytester) -> None:
    """Of modules it brings only itself: what else it imports, pytest has imported."""
    script = "import pytest, sys; before = set(sys.modules); import simaccel.pytest_plugin"
    script += "; print(*sorted(set(sys.modules) - before))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["simaccel", "simaccel.pytest_plugin", "simaccel.version"]


def test_the_options_are_in_the_help(pytester: pytest.Pytester) -> None:
    help_text = "\n".join(run(pytester, "--help").outlines)
    for option in ("--accel-seed", "--accel-seeds", "--accel-trace", "--accel-schedule"):
        assert re.search(rf"{option}\b", help_text)
    assert "@pytest.mark.accel" in "\n".join(run(pytester, "--markers").outlines)
