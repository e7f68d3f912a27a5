"""Ctrl-C in `simaccel run`: exit code 130, and what was done until then is told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from engine import Engine
from engine.modes import NOTIFY
from simaccel.cli.workload import run_way as run_way_module
from tests.cli.cli import ROOT, Cli, command, environment
from tests.limits import WAIT_S


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ctrl-C comes before the calls of the engine whose numbers are in the list."""
    at: list[int] = []
    calls = 0
    call = Engine.call

    def interrupted(self: Engine, *arguments: Any, **options: Any) -> bytes:
        nonlocal calls
        calls += 1
        if calls in at:
            raise KeyboardInterrupt
        return call(self, *arguments, **options)

    monkeypatch.setattr(Engine, "call", interrupted)
    return at


@pytest.mark.parametrize("notify", NOTIFY)
@pytest.mark.parametrize("time", [[], ["--virtual"]], ids=["real", "virtual"])
def test_what_was_done_is_told(cli: Cli, interrupts: list[int], tmp_path: Path, notify: str, time: list[str]) -> None:
    interrupts.append(20)
    target = tmp_path / "out.json"
    words = ["--op", "sha256", "--jobs", "1", "--count", "100", "--json", str(target)]
    run = cli("run", *words, "--notify", notify, *time)
    assert (run.code, run.errors) == (130, ["simaccel: interrupted"])
    assert "19 results verified, interrupted before the end" in run.text
    assert len([line for line in run.text.splitlines() if line.startswith("sha256 ")]) == 1
    document = json.loads(target.read_text())
    assert (document["ok"], document["interrupted"]) == (False, True)
    (told,) = document["ways"]
    assert (told["verified"], told["total"]["operations"], told["interrupted"]) == (19, 19, True)


def test_ways_that_had_ended_are_told_too_and_none_is_begun(cli: Cli, interrupts: list[int]) -> None:
    interrupts.append(30)
    run = cli("run", "--op", "sha256", "--jobs", "1", "--count", "20", "--json", "-", "--notify", "all")
    assert run.code == 130
    document = json.loads(run.out)
    assert [(told["notify"], told["verified"]) for told in document["ways"]] == [("fd", 20), ("pipe", 9)]


def test_with_many_jobs_what_is_in_flight_is_given_up(cli: Cli, interrupts: list[int]) -> None:
    interrupts.append(40)
    run = cli("run", "--op", "null", "--count", "100", "--json", "-", "--notify", "fd", "--latency", "fixed:3600s")
    assert run.code == 130  # at once, though what is in flight takes an hour
    (told,) = json.loads(run.out)["ways"]
    assert told["verified"] == 0


def test_digests_that_were_known_are_printed(cli: Cli, interrupts: list[int], tmp_path: Path) -> None:
    for number in range(9):
        (tmp_path / f"{number}").write_bytes(b"")
    interrupts.append(5)
    run = cli("run", "--digests", "--jobs", "1", str(tmp_path))
    assert (run.code, run.errors[1:]) == (130, ["simaccel: interrupted"])
    assert [line.split()[1] for line in run.text.splitlines()] == [f"{tmp_path}/{number}" for number in range(4)]


def test_a_trace_of_half_a_run_is_not_written(cli: Cli, interrupts: list[int], tmp_path: Path) -> None:
    interrupts.append(5)
    target = tmp_path / "trace"
    run = cli("run", "--op", "null", "--trace", str(target))
    assert (run.code, run.errors) == (130, [f"simaccel: interrupted: {target} was not written"])
    assert not target.exists()


def _interrupt(*arguments: Any, **options: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize("inside", ["checked", "kinds_of", "check_writable", "console", "write_text"])
def test_before_anything_was_done_and_when_all_was(cli: Cli, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    monkeypatch.setattr(f"simaccel.cli.commands.run.{inside}", _interrupt)
    run = cli("run", "--count", "3", "--op", "null", "--json", "-")
    assert (run.code, run.out) == (130, b"")
    assert run.errors[-1] == "simaccel: interrupted"


@pytest.mark.parametrize("inside", ["rounds", "Scheduler"])
def test_between_the_operations(cli: Cli, monkeypatch: pytest.MonkeyPatch, inside: str) -> None:
    monkeypatch.setattr(run_way_module, inside, _interrupt)
    run = cli("run", "--count", "3", "--op", "null", "--notify", "fd")
    assert (run.code, run.errors) == (130, ["simaccel: interrupted"])


def test_a_second_one_while_results_are_checked(
    cli: Cli, interrupts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupts.append(20)
    monkeypatch.setattr(run_way_module._Checks, "check", _interrupt)
    run = cli("run", "--op", "null", "--notify", "fd")
    assert (run.code, run.errors) == (130, ["simaccel: interrupted"])


def test_replay_compares_no_half_of_a_run(cli: Cli, tmp_path: Path, interrupts: list[int]) -> None:
    target = tmp_path / "trace"
    assert cli("run", "--op", "null", "--count", "40", "--notify", "fd", "--trace", str(target)).code == 0
    interrupts.append(60)
    replay = cli("replay", str(target))
    assert (replay.code, replay.out, replay.errors) == (130, b"", ["simaccel: interrupted"])


LOST = """
import gc, signal
from simaccel.cli.commands import run

class Collected:
    def __init__(self):
        self.me = self

    def __del__(self):
        signal.raise_signal(signal.SIGINT)

def collect(*line):
    Collected()
    gc.collect()

run.print_line = collect
"""
"""Ctrl-C comes while garbage is collected, in a `__del__`."""


def test_it_is_not_lost_in_a_del(tmp_path: Path) -> None:
    """An exception that is raised there goes nowhere, and this run would go on for hours."""
    (tmp_path / "lost.py").write_text(LOST + "\nfrom simaccel.cli import main\nraise SystemExit(main())\n")
    words = ["run", "--latency", "fixed:1s", "--op", "null", "--notify", "fd"]
    command = [sys.executable, str(tmp_path / "lost.py"), *words]
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment(), timeout=WAIT_S, check=False)
    assert (done.returncode, done.stderr) == (130, b"simaccel: interrupted\n")


def test_as_a_user_presses_it() -> None:
    arguments = command("run", "--latency", "fixed:1s", "--op", "null", "--notify", "fd")  # hours of work
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=environment()
    ) as process:
        assert process.stdout is not None
        assert b"seed" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    assert (process.returncode, errors) == (130, b"simaccel: interrupted\n")
