"""What the pytest plugin shows where something fails: the test's own lines, and one clear error for what can't work."""

from __future__ import annotations

import resource
import signal
import tomllib
from pathlib import Path

import pytest

import simaccel.pytest_plugin
import simaccel.testing.exploration
import simaccel.testing.fixture
import simaccel.testing.traceback_frames
from tests import few_plugins

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    for name, value in few_plugins.variables().items():
        monkeypatch.setenv(name, value)


FAILING = """
import pytest
from simaccel.testing import explore

def test_refused(accel):
    accel.new_engine(notify="x")

def test_of_the_job(accel):
    def job():
        raise ValueError("the job's own")
    accel.run(job)

@pytest.mark.accel(faults="fail")
def test_with_a_cause(accel):
    accel.run(accel.engine.sha256, b"x")

def test_explore():
    def model(run):
        def fail():
            raise ValueError("in a model")
        run.actor("only", fail)
    explore(model)
"""


def frames(result: pytest.RunResult) -> set[str]:
    """The files of which tracebacks show lines."""
    lines = (line.partition(":") for line in result.outlines)
    return {file for file, _, rest in lines if file.endswith(".py") and rest[:1].isdigit()}


def test_tracebacks_have_no_frames_of_ours(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_it=FAILING)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=4)
    assert frames(result) == {"test_it.py"}
    assert any(line.startswith(">") and "new_engine" in line for line in result.outlines)
    whole = pytester.runpytest_inprocess("--full-trace")
    assert any("/engine/" in file for file in frames(whole))
    assert not hasattr(simaccel.testing.exploration, "__tracebackhide__")


def test_what_we_do_not_raise_on_purpose_shows_where_it_came_up(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(accel):
            accel.map(accel.engine.sha256, 5)
        """
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    assert any(file.endswith("engine/drivers/scheduler.py") for file in frames(result))


@pytest.mark.parametrize("name", simaccel.pytest_plugin.PACKAGES)
@pytest.mark.parametrize("form", ["package", "module"])
def test_a_package_that_shadows_ours_is_one_clear_error(pytester: pytest.Pytester, name: str, form: str) -> None:
    theirs = f"{name}/__init__.py" if form == "package" else f"{name}.py"
    (pytester.path / theirs).parent.mkdir(exist_ok=True)
    (pytester.path / theirs).write_text("ANSWER = 42\n")
    pytester.makeconftest("")
    pytester.makepyfile(
        f"""
        from {name} import ANSWER

        def test_their_own():
            assert ANSWER == 42

        def test_with_accel(accel):
            pass

        def test_that_fails():
            assert ANSWER == 43
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1, errors=1)
    output = result.stdout.str()
    assert "INTERNALERROR" not in output + result.stderr.str()
    told = [line for line in result.outlines if line.startswith("the fixture accel needs")]
    assert len(told) == 1
    for part in (str(pytester.path / theirs), str(Path(simaccel.pytest_plugin.HERE) / name), "Rename that one"):
        assert part in told[0]


def test_the_plugin_knows_all_packages_that_can_be_shadowed() -> None:
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    shipped = settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted([*simaccel.pytest_plugin.PACKAGES, "simaccel"]) == sorted(shipped)  # the plugin itself is in simaccel


def test_a_suite_may_have_an_accel_of_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef accel():\n    return 'theirs'\n")
    pytester.makepyfile("def test_it(accel):\n    assert accel == 'ours'\n")
    result = pytester.runpytest_inprocess("--accel-seeds=3")
    result.assert_outcomes(failed=1)
    assert "replay: " not in result.stdout.str()


def test_an_accel_built_on_ours_gets_the_seeds(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\n@pytest.fixture\ndef accel(accel):\n    accel.faults('fail:nth=9')\n    return accel\n"
    )
    pytester.makepyfile("def test_it(accel, request):\n    assert accel.seed < 12\n")
    result = pytester.runpytest_inprocess("--accel-seeds=3", "--accel-seed=10")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["seed: 12", "replay: *test_it?seed12?*"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--accel-seed=abc", "*argument --accel-seed: 'abc': use a whole number of at least 0"),
        ("--accel-seed=-1", "*argument --accel-seed: '-1': use a whole number of at least 0"),
        ("--accel-seeds=0", "*argument --accel-seeds: '0': use a whole number of at least 1"),
        ("--accel-seeds=1.5", "*argument --accel-seeds: '1.5': use a whole number of at least 1"),
        ("--accel-schedule=none.schedule", "*--accel-schedule=none.schedule: there is no such file"),
        ("--accel-trace=tox.ini", "*--accel-trace=tox.ini: that is a file; give a folder*"),
    ],
)
def test_an_option_that_can_not_work_is_refused_by_name(pytester: pytest.Pytester, option: str, message: str) -> None:
    pytester.makepyfile("def test_it(accel):\n    pass\n")
    result = pytester.runpytest_inprocess(option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    "mark", ["ignore=5", "ignore=['x']", "ignore='x'", "ignore=Kind.FD_LEAKED", "depht=4", "clock='fast'"]
)
def test_a_mark_that_can_not_work_is_one_line(pytester: pytest.Pytester, mark: str) -> None:
    pytester.makepyfile(
        f"import pytest\nfrom simaccel.testing import Kind\n@pytest.mark.accel({mark})\ndef test_it(accel):\n    pass\n"
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    at = next(number for number, line in enumerate(result.outlines) if "ERROR at setup" in line)
    assert result.outlines[at + 2].startswith("=" * 10), result.outlines[at : at + 5]
    assert f"{mark.partition('=')[0]}" in result.outlines[at + 1]


def test_a_disk_that_is_full_is_one_line_and_the_test_ends(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import resource

        def test_it(accel):
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
            accel.map(accel.engine.sha256, [b"%d" % n for n in range(900)])
        """
    )
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        result = pytester.runpytest_inprocess("--accel-trace=traces", "-p", "no:cacheprovider")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    result.assert_outcomes(passed=1, errors=1)
    at = next(number for number, line in enumerate(result.outlines) if "ERROR at teardown" in line)
    result.stdout.fnmatch_lines(["--accel-trace: *File too large*"])
    assert result.outlines[at + 2].startswith("-" * 10), result.outlines[at : at + 5]
    assert [file.suffix for file in (pytester.path / "traces").iterdir()] == [".pftrace"]


def test_a_trace_that_can_not_be_opened_is_one_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(accel):\n    pass\n")
    (pytester.path / "traces" / "test_a_trace_that_can_not_be_opened_is_one_line.py-test_it.pftrace").mkdir(
        parents=True
    )
    result = pytester.runpytest_inprocess("--accel-trace=traces")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["--accel-trace: *.pftrace: Is a directory"])
    assert not [line for line in result.outlines if "Traceback" in line]


def test_what_a_failing_test_shows_of_its_fixture_can_be_read(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from engine import pause_job, start_job

        async def waits():
            await pause_job()

        @pytest.mark.accel(depth=4)
        def test_it(accel):
            start_job(waits)
            job = start_job(waits)
            job.cancel()
            assert repr(accel.misuse) == "<Misuse: nothing found>"
            accel.misuse._rules.finish()
            assert repr(accel.misuse) == "<Misuse: paused job never resumed (1)>"
            assert not "reached"
        """
    )
    result = pytester.runpytest_inprocess("--accel-seed=7")
    result.stdout.fnmatch_lines(["accel = <Accel seed=7, virtual clock, depth 4, notify fd>", "*assert not 'reached'*"])


def test_a_test_that_is_killed_tells_what_it_waits_for(pytester: pytest.Pytester) -> None:
    """A loop that never ends, ended by SIGTERM, as a runner in CI does it. The kill comes from the loop itself."""
    pytester.makepyfile(
        """
        import os, signal
        from engine import start_job

        def test_it(accel):
            accel.faults("lose")
            job = start_job(accel.engine.sha256, b"x")
            while job.paused:
                os.kill(os.getpid(), signal.SIGTERM)

        def test_next():
            assert not "reached"
        """
    )
    result = pytester.runpytest_subprocess("--accel-seed=5")
    assert result.ret == -signal.SIGTERM
    told = result.stderr.str()
    for line in (
        "test_a_test_that_is_killed_tells_what_it_waits_for.py::test_it was ended by SIGTERM",
        "seed: 5",
        "job 1 (Operations.sha256) waits for <operation sha256 of 1 bytes, in flight>",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "::test_it --accel-seed=5",
    ):
        assert line in told
    assert "pluggy" not in told


def test_a_sigterm_handler_of_the_tests_own_stays(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os, signal
        got = []

        def test_its_own(accel):
            signal.signal(signal.SIGTERM, lambda *args: got.append(1))
            os.kill(os.getpid(), signal.SIGTERM)
            assert got == [1]

        def test_it_is_still_there(accel):
            os.kill(os.getpid(), signal.SIGTERM)
            assert got == [1, 1]
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

        def test_ours_leaves_nothing(accel):
            assert callable(signal.getsignal(signal.SIGTERM))

        def test_without():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=4)
