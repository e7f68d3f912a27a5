"""The pytest plugin, run by pytest itself on small suites."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import simaccel.testing.fixture
import simaccel.testing.models
import simaccel.testing.strategies  # see run
from engine.modes import MODES, NOTIFY
from simaccel.testing.accel import Accel
from tests import few_plugins

pytest_plugins = ["pytester"]


INI = """
[pytest]
addopts = --strict-markers
filterwarnings = error
"""


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini(INI)
    for name, value in few_plugins.variables().items():
        monkeypatch.setenv(name, value)


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """In this process, which is quicker: all that it imports is imported already, and so stays."""
    return pytester.runpytest_inprocess(*args)


def test_the_fixture_runs_in_virtual_time_by_default(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import hashlib
        import pytest
        from simaccel.testing import Accel

        @pytest.mark.accel(latency="fixed:3600s", depth=4)
        def test_it(accel: Accel) -> None:
            digests = accel.map(accel.engine.sha256, [b"%d" % n for n in range(10)])
            assert digests == [hashlib.sha256(b"%d" % n).digest() for n in range(10)]
            assert accel.clock.now_ns() >= 3_600_000_000_000
            assert accel.device.depth == 4

        @pytest.mark.accel(clock="real", notify="callback", contract="strict")
        def test_real(accel: Accel) -> None:
            assert not accel.clock.virtual
            assert accel.run(accel.engine.sha256, b"x") == hashlib.sha256(b"x").digest()

        def test_unused(accel: Accel) -> None:
            assert accel.random.random() == accel.random.random()

        def test_by_hand(accel: Accel) -> None:
            engine = accel.new_engine(notify="pipe", deadline_ns=5)
            assert (engine.notify, engine.deadline_ns) == ("pipe", 5)
            accel.advance(10)
            assert accel.clock.now_ns() == 10
        """
    )
    run(pytester).assert_outcomes(passed=4)


def test_a_mark_on_a_class_is_overridden_by_a_closer_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.accel(depth=8, notify="pipe")
        class TestIt:
            @pytest.mark.accel(depth=2)
            def test_it(self, accel):
                assert (accel.device.depth, accel.engine.notify) == (2, "pipe")
        """
    )
    run(pytester).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("dpeth=4", "*no option 'dpeth': did you mean depth?*"),
        ("4", "*give its options by name, such as depth=4*"),
        ("clock='fast'", "*clock='fast': use one of virtual, real*"),
    ],
)
def test_a_bad_mark_is_one_clear_error(pytester: pytest.Pytester, mark: str, message: str) -> None:
    pytester.makepyfile(f"import pytest\n@pytest.mark.accel({mark})\ndef test_it(accel):\n    pass\n")
    result = run(pytester)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_a_failure_prints_what_it_takes_to_have_it_again(pytester: pytest.Pytester) -> None:
    """The command that is printed is pasted into a shell, and the same test fails with the same seed."""
    pytester.makepyfile(
        **{
            "sub/test_it": """
        import pytest

        @pytest.mark.accel(faults="fail:nth=2")
        @pytest.mark.parametrize("name", ["it's [odd]"])
        def test_it(accel, name):
            for n in range(3):
                accel.run(accel.engine.sha256, b"x")

        def test_random(accel):
            assert accel.random.random() < 0
        """
        }
    )
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*- simaccel -*", "seed: *", "made with: virtual clock*", "faults: fail:nth=2 (met: fail 1 times)"]
    )
    commands = [line.removeprefix("replay: ") for line in result.outlines if line.startswith("replay: ")]
    numbers = [line for line in result.outlines if line.startswith("E ") and "assert 0." in line]
    assert len(commands) == 2
    for command in commands:
        again = subprocess.run(["/bin/sh", "-c", command], cwd=pytester.path, capture_output=True, text=True)
        assert "1 failed" in again.stdout, again.stdout + again.stderr
    assert numbers
    assert numbers == [line for line in again.stdout.splitlines() if line.startswith("E ") and "assert 0." in line]


def test_a_seed_is_the_same_in_every_test_and_settable(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        seen = []

        def test_one(accel):
            seen.append(accel.seed)

        def test_two(accel):
            assert seen == [accel.seed] == [accel.device.seed] == [4711]
        """
    )
    run(pytester, "--accel-seed=4711").assert_outcomes(passed=2)


def test_the_python_to_have_it_again_with_is_that_of_this_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert simaccel.testing.fixture._python() == "python"
    (tmp_path / "python").symlink_to(Path(sys.executable).resolve())
    monkeypatch.setenv("PATH", f"{tmp_path}:{Path(sys.executable).parent}")
    assert simaccel.testing.fixture._python() == sys.executable


def test_seeds_runs_each_test_so_often(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("other", "ab")
        def test_it(accel, other):
            assert accel.seed != 12

        def test_without():
            pass
        """
    )
    result = run(pytester, "--accel-seed=10", "--accel-seeds=3", "-v")
    result.assert_outcomes(passed=5, failed=2)
    result.stdout.fnmatch_lines(["*test_it[[]seed10-a] PASSED*", "*test_it[[]seed12-b] FAILED*"])
    command = next(line for line in result.outlines if line.startswith("replay: ")).removeprefix("replay: ")
    again = subprocess.run(shlex.split(command), cwd=pytester.path, capture_output=True, text=True)
    assert "1 failed" in again.stdout, command + again.stdout


@pytest.mark.parametrize("option", ["--accel-seed=x", "--accel-seeds=-1"])
def test_a_bad_option_is_refused(pytester: pytest.Pytester, option: str) -> None:
    result = run(pytester, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*argument --accel-seed*"])


def test_misuse_fails_the_test_with_its_history(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from engine import pause_job, start_job
        from simaccel.testing import Kind

        kept = []

        @pytest.fixture(scope="session", autouse=True)
        def end():
            # Whoever looks for jobs that are left must find none: pytest may keep what a run in its process has seen.
            yield
            kept.clear()

        async def waits():
            await pause_job()

        def test_it(accel):
            kept.append(start_job(waits))

        @pytest.mark.accel(ignore=[Kind.PAUSE_FORGOTTEN])
        def test_ignored(accel):
            start_job(waits)

        @pytest.mark.accel(misuse=False)
        def test_off(accel):
            start_job(waits)
        """
    )
    result = run(pytester)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        ["paused job never resumed: job 1 (waits)*", "    2. job 1 (waits) paused*", "replay: *::test_it *"]
    )


def test_what_other_fixtures_tear_down_is_no_misuse(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from engine import pause_job, start_job

        async def waits():
            await pause_job()

        @pytest.fixture
        def server(accel):
            job = start_job(waits)
            yield job
            job.cancel()

        def test_it(server):
            assert server.paused
        """
    )
    run(pytester).assert_outcomes(passed=1)


def test_explore_saves_a_schedule_and_replays_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from simaccel.testing.models import TWINS

        def test_it(accel):
            accel.explore(TWINS["unlatched"])
        """
    )
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*application * device", "schedule: *test_it.schedule"])
    command = next(line for line in result.outlines if line.startswith("replay: ")).removeprefix("replay: ")
    assert "--accel-schedule=" in command
    again = subprocess.run(shlex.split(command), cwd=pytester.path, capture_output=True, text=True)
    assert "fails in schedule number 1:" in again.stdout, again.stdout


@pytest.mark.parametrize("folder", ["", "traces"])
def test_traces_are_written_and_equal_for_equal_seeds(pytester: pytest.Pytester, folder: str) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.accel(latency="lognormal:50us,0.3", units=4)
        def test_it(accel):
            accel.map(accel.engine.sha256, [b"%d" % n for n in range(20)])
            assert not "failing"
        """
    )
    texts, pictures = [], []
    for seed in (1, 1, 2):
        result = run(pytester, f"--accel-trace={folder}" if folder else "--accel-trace", f"--accel-seed={seed}")
        line = next(line for line in result.outlines if line.startswith("trace: "))
        file = pytester.path / line.removeprefix("trace: ")
        assert not folder or file.parent.name == folder
        assert f"for Perfetto: {line.removeprefix('trace: ').removesuffix('.trace')}.pftrace" in result.outlines
        texts.append(file.read_text())
        pictures.append(file.with_suffix(".pftrace").read_bytes())
    assert texts[0] == texts[1]
    assert texts[0].splitlines()[2:-1] != texts[2].splitlines()[2:-1]
    assert pictures[0] == pictures[1] != pictures[2]
    assert b"wait context 1" in pictures[0]  # the engine tells of its callers, too


def test_without_a_cache_files_go_to_the_folder_for_temporary_ones(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pytester.makepyfile("def test_it(accel):\n    accel.run(accel.engine.sha256, b'')\n")
    run(pytester, "-p", "no:cacheprovider", "--accel-trace").assert_outcomes(passed=1)
    assert sorted(file.suffix for file in (tmp_path / "simaccel").iterdir()) == [".pftrace", ".trace"]


@pytest.mark.parametrize("notify", [*NOTIFY, "smoke"])
def test_a_report_names_the_contract_wherever_one_counts(notify: str) -> None:
    (_, made) = Accel(seed=1, notify=notify, contract="strict").describe()
    by_callback = notify in NOTIFY and MODES[notify].by_callback
    assert made.endswith(f"notify {notify}" + ", contract strict" * by_callback)
