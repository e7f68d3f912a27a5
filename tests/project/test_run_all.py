"""`make test`: one total over several calls of pytest, none of which is lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import effort, other_pythons, run_all
from tests.project.source import ROOT
from tests.run_all import Tally

PASSES, FAILS, SKIPS = "def test_{0}(): pass\n", "def test_{0}(): assert 0\n", "@skip\ndef test_{0}(): pass\n"
TEAR_DOWN_FAILS = "@fixture\ndef bad_end():\n    yield\n    assert 0\ndef test_{0}(bad_end): pass\n"


@pytest.mark.parametrize(
    ("tests", "arguments", "tally"),
    [
        ([PASSES, PASSES], [], Tally(passed=2)),
        ([PASSES, FAILS, SKIPS], [], Tally(1, 1, 1)),
        ([TEAR_DOWN_FAILS], [], Tally(failed=1)),
        ([PASSES, "import os\ndef test_{0}(): os._exit(0)\n"], [], Tally(failed=1)),
        (["no Python\n"], [], Tally(failed=1)),
        ([PASSES], ["-k", "nothing"], Tally()),
        ([PASSES], ["--no-such-option"], Tally(failed=1)),
    ],
    ids=["passes", "fails", "fails in tear-down", "broken off", "not collected", "none selected", "usage error"],
)
def test_what_a_call_of_pytest_came_to(
    tests: list[str],
    arguments: list[str],
    tally: Tally,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # plugins take longer to import than all of the rest
    file = tmp_path / "test_some.py"
    head = "from pytest import fixture, mark\nskip = mark.skip\n"
    file.write_text(head + "".join(text.format(number) for number, text in enumerate(tests)))
    command = [str(file), f"--rootdir={tmp_path}", "-c", "/dev/null", "-p", "no:cacheprovider", *arguments]
    assert run_all.call(Path(sys.executable), command, tmp_path / "report.xml", {}) == tally


def test_a_call_that_fails_stops_none_after_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    titles = []

    def call(python: Path, arguments: object, report: Path, variables: object) -> Tally:
        titles.append(python.name)
        return Tally(passed=10, failed=1) if len(titles) == 1 else Tally(passed=3)

    monkeypatch.setattr(run_all, "call", call)
    monkeypatch.setattr(other_pythons, "environments", lambda: iter([("another Python", Path("python3.99"))]))
    assert run_all.main(["here", "others"]) == 1
    here = Path(sys.executable).name
    assert titles == [here, here, "python3.99"]
    assert capsys.readouterr().out.splitlines()[-1] == "16 passed, 1 failed"


def test_without_another_python_there_is_nothing_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(other_pythons, "find", lambda minor: None)
    assert run_all.main(["others"]) == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("== no other Python found (3.")
    assert last == "0 passed, 0 failed"


def test_an_environment_that_can_not_be_made_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(other_pythons, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    other = next(minor for minor in other_pythons.SUPPORTED if minor != sys.version_info[1])
    monkeypatch.setattr(other_pythons, "find", lambda minor: Path("/bin/false") if minor == other else None)
    assert run_all.main(["others"]) == 1
    assert capfd.readouterr().out.splitlines()[-1] == "0 passed, 1 failed"


def test_the_files_for_other_pythons_are_there() -> None:
    assert [name for name in other_pythons.TESTS if not Path(other_pythons.ROOT, name).exists()] == []


def test_a_part_that_is_none_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_all.main(["elsewhere"]) == 2
    assert "the parts are: here, compiled, others" in capsys.readouterr().err


@pytest.mark.parametrize(("ci", "less"), [(True, ""), (False, " and not in_ci")])
def test_both_calls_together_are_all_tests(monkeypatch: pytest.MonkeyPatch, ci: bool, less: str) -> None:
    """In CI. `make test` leaves some out."""
    monkeypatch.setattr(effort, "CI", ci)
    first, second = (arguments for _, _, arguments, _ in run_all.calls(["here"], []))
    assert first[first.index("-m") + 1] == f"not alone{less}"
    assert second[second.index("-m") + 1] == f"alone{less}"


def test_ci_leaves_nothing_out() -> None:
    assert "\nexport SIMACCEL_EFFORT=ci\n" in (ROOT / ".ci" / "run").read_text()


def test_the_compiled_part_runs_compiled_or_says_that_it_can_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    built = tmp_path / "core.so"
    monkeypatch.setattr(run_all, "extension", lambda: str(built))
    assert list(run_all.calls(["compiled"], [])) == []
    assert "the hot path is not compiled here" in capsys.readouterr().out
    built.touch()
    ((_, _, arguments, variables),) = run_all.calls(["compiled"], [])
    assert variables == {"SIMACCEL_PURE": "0"}
    assert all(Path(run_all.ROOT, name).exists() for name in run_all.COMPILED)
    assert arguments[-len(run_all.COMPILED) :] == run_all.COMPILED
