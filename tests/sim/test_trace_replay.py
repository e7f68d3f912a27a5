"""Recorded runs, run again: by the testing tools, by `simaccel run` and `simaccel replay`, by pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import UsageError
from sim import Request, Trace, TraceError, load_trace, save_trace
from sim.completion import Reaper
from simaccel.cli import main
from simaccel.testing import InvariantError, Scenario
from simaccel.testing.recording import ComparedTrace, record_scenario, replay_scenario
from tests import few_plugins


def test_a_recorded_scenario_runs_again_as_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "trace")
    for seed in range(15):
        record_scenario(path, Scenario.draw(seed))
        assert replay_scenario(path) is None
        assert main(["replay", path]) == 0
        assert f"{len(load_trace(path).lines):,} events, each as recorded" in capsys.readouterr().out


def test_replay_tells_the_first_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "trace")
    record_scenario(path, Scenario(1, jobs=3, operations=1, latency="fixed:10us", units=1))
    recorded = load_trace(path).lines
    hand_out = Reaper.hand_out

    def later(self: Reaper, batch: list[Request], *more: int) -> int:
        if self._counters.completed == 1:
            self._gate.hook.note("surprise")  # type: ignore[union-attr]
        return hand_out(self, batch, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Reaper, "hand_out", later)
    difference = replay_scenario(path)
    assert difference is not None
    assert difference.now == "20000 surprise 0"
    assert difference.recorded == recorded[difference.number - 1]
    assert difference.before == recorded[difference.number - 4 : difference.number - 1]
    assert main(["replay", path]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[0] == f"event {difference.number} differs (- recorded, + now):"
    assert shown[-1] == "+ 20000 surprise 0"


def test_replay_tells_of_an_end_that_comes_too_early_or_too_late() -> None:
    trace = ComparedTrace(["0 a 0", "0 b 0"])
    trace.add(0, "a")
    difference = trace.end()
    assert difference is not None
    assert (difference.number, difference.recorded, difference.now) == (2, "0 b 0", None)
    trace = ComparedTrace(["0 a 0"])
    trace.add(0, "a")
    trace.add(0, "b")
    difference = trace.end()
    assert difference is not None
    assert (difference.number, difference.recorded, difference.now) == (2, None, "0 b 0")
    assert "the end" in str(difference)


def test_a_scenario_that_breaks_is_recorded_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "trace")
    monkeypatch.setattr("simaccel.testing.scenario_run.check_invariants", _break)
    with pytest.raises(InvariantError):
        record_scenario(path, Scenario(1))
    with pytest.raises(InvariantError):
        replay_scenario(path)
    assert main(["replay", path]) == 1


def _break(*args: object) -> None:
    raise InvariantError(["broken on purpose"])


def test_what_can_not_be_recorded_or_run_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "trace")
    with pytest.raises(UsageError, match="real time"):
        record_scenario(path, Scenario(1, real=True))
    wrong = Scenario(1).to_dict() | {"notify": "bell"}
    descriptions: list[dict[str, Any]] = [
        {"what": "a test"},
        {"scenario": {}},
        {"scenario": wrong},
        {"scenario": 5},
        {"run": {}},
        {"test": "-x", "seed": 1},
    ]
    for described in descriptions:
        save_trace(path, described, Trace())
        assert main(["replay", path]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
        with pytest.raises(TraceError):
            replay_scenario(path)
    assert main(["replay", str(tmp_path / "missing")]) == 2


def test_simaccel_run_records_what_replay_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "trace")
    words = "run --count 60 --jobs 8 --depth 4 --latency fixed:20us --seed 5 --op sha256 --op echo --notify all"
    words = words.replace(" --op echo", "")
    faults = ["--fault", "lose:nth=7", "--fault", "corrupt:every=20", "--deadline", "5ms"]
    assert main([*words.split(), "--trace", path, *faults]) == 1
    first = Path(path).read_bytes()
    assert main([*words.split(), "--trace", path, *faults]) == 1
    assert Path(path).read_bytes() == first
    recording = load_trace(path)
    assert recording.scenario["run"]["faults"] == ["lose:nth=7", "corrupt:every=20"]
    capsys.readouterr()
    assert main(["replay", path]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{len(recording.lines):,} events, each as recorded\n"
    assert captured.err == ""


def test_a_run_that_was_tampered_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "trace")
    assert main(["run", "--count", "5", "--seed", "5", "--op", "sha256", "--notify", "fd", "--trace", path]) == 0
    run = load_trace(path).scenario["run"]
    for change in ({"jobs": 0}, {"jobs": "many"}, {"ops": ["bogus"]}, {"faults": ["bogus"]}, {"more": 1}, {"seed": -1}):
        save_trace(path, {"run": {**run, **change}}, Trace())
        capsys.readouterr()
        assert main(["replay", path]) == 2, json.dumps(change)
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        "--fault bogus",
        "--fault fail:nth=0",
        "--deadline 5",
        "--deadline 0s",
        "--deadline -1ms",
        "--trace /nonexistent/folder/file",
        "--trace x --digests",
        "--trace x pyproject.toml",
    ],
)
def test_a_wrong_option_is_told_in_one_line(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *words.split()]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.python_source
def test_the_trace_of_a_pytest_test_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test = tmp_path / "test_mine.py"
    test.write_text("def test_one(accel):\n    accel.engine.sha256(b'data')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    command = [sys.executable, "-m", "pytest", "-q", "test_mine.py", "--accel-seed=3", f"--accel-trace={tmp_path}"]
    for name, value in few_plugins.variables().items():
        monkeypatch.setenv(name, value)
    subprocess.run(command, capture_output=True, check=True)
    (file,) = tmp_path.glob("*.trace")
    assert main(["replay", str(file)]) == 0
    test.write_text("def test_one(accel):\n    accel.engine.sha256(b'other data')\n")
    assert main(["replay", str(file)]) == 1
    test.unlink()
    assert main(["replay", str(file)]) == 1
