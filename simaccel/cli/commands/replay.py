"""`simaccel replay`: runs a recorded run again, and compares it event by event."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from engine.errors import UsageError
from sim import TraceError, load_trace
from sim.trace_file import Recording
from simaccel.cli.commands.run import kinds_of, run_one_way
from simaccel.cli.exits import FAILED, OK
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.options import RunOptions
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.testing.invariants import InvariantError
from simaccel.testing.recording import ComparedTrace, Difference
from simaccel.testing.scenario import Scenario
from simaccel.testing.scenario_run import run_scenario


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Written by simaccel run --trace, or by the testing tools.")
    ],
) -> Callable[[], int]:
    """Run a recorded run again, and print the first different event.

    Exit code 0: every event is as recorded. 1: an event differs, or an invariant does not hold. 2: the file can't be
    used.
    """
    try:
        recording = load_trace(file)
        return _plan(file, recording)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from None
    except TraceError as error:
        raise UsageError(str(error)) from None


def _plan(file: str, recording: Recording) -> Callable[[], int]:
    described = recording.scenario
    trace = ComparedTrace(recording.lines)
    try:
        match described:
            case {"run": dict(run)}:
                options = RunOptions.from_dict(run, file)
                return lambda: _tell(recording, _replay_run(options, trace))
            case {"scenario": dict(values)}:
                scenario = Scenario.from_dict(values)
                return lambda: _replay_scenario(recording, scenario, trace)
            case {"test": str(test), "seed": int(seed)} if "::" in test and not test.startswith("-"):
                return lambda: _replay_test(recording, test, seed, trace)
    except ValueError as error:
        raise TraceError(f"{file} is damaged: {error}") from None
    raise TraceError(f"{file} can't be run again: it does not say what was recorded")


def _replay_run(options: RunOptions, trace: ComparedTrace) -> Difference | None:
    kinds = kinds_of(options)
    failures = _Silence()
    with ProgressBar() as bar:
        for way in options.ways:
            bar.begin(f"by {way}", options.count)
            if run_one_way(options, way, kinds, bar, failures, trace).interrupted:
                raise KeyboardInterrupt
    return trace.end()


def _replay_scenario(recording: Recording, scenario: Scenario, trace: ComparedTrace) -> int:
    try:
        run_scenario(scenario, trace)
    except InvariantError as error:
        code = _tell(recording, trace.end())
        print(error)
        return code or FAILED
    return _tell(recording, trace.end())


def _replay_test(recording: Recording, test: str, seed: int, trace: ComparedTrace) -> int:
    """Run the test with pytest, in the current directory. What pytest prints goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "pytest", "-q", test, f"--accel-seed={seed}", f"--accel-trace={folder}"]
        subprocess.run(words, stdout=sys.stderr, check=False)
        files = sorted(Path(folder).glob("*.trace"))
        if len(files) != 1:
            print(
                f"{test} wrote no trace, so pytest did not run it: call this in the directory where pytest was called"
            )
            return FAILED
        now = load_trace(os.fspath(files[0]))
    for line in now.lines:
        trace.add_line(line)
    return _tell(recording, trace.end())


class _Silence(Failures):
    """Counts failures and prints none, because they are events of the trace that is compared."""

    def add(self, message: str) -> None:
        self.count += 1


def _tell(recording: Recording, difference: Difference | None) -> int:
    if difference is None:
        print(f"{len(recording.lines):,} events, each as recorded")
        return OK
    print(difference)
    return FAILED
