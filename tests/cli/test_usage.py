"""What a wrong command line gets: exit code 2, nothing on stdout, and one line with the value and the cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from simaccel.cli.output_files import check_writable
from tests.cli.cli import Cli, child

WRONG = [
    (["--depth", "0"], "depth=0", "power of two"),
    (["--depth", "3"], "depth=3", "such as 2 or 4"),
    (["--depth", "x"], "'x'", "whole number"),
    (["--units", "0"], "units=0", "1 or more"),
    (["--latency", "fixed:-5us"], "fixed:-5us", "0 or more"),
    (["--latency", "fixed:soon"], "soon", "such as 50us"),
    (["--latency", "gamma:5us"], "gamma", "use none or one of"),
    (["--latency", "preset:qat"], "qat", "qat-dh895xcc"),
    (["--latency", "trace:/no/such/file"], "/no/such/file", "No such file"),
    (["--op", "sha265"], "sha265", "did you mean sha256?"),
    (["--notify", "irq"], "irq", "heuristic, or all"),
    (["--contract", "tls"], "tls", "dasync"),
    (["--contract", "strict", "--notify", "fd"], "strict", "leave it out"),
    (["--count", "0"], "--count 0", "1 or more"),
    (["--count", "many"], "'many'", "whole number"),
    (["--jobs", "-1"], "--jobs -1", "1 or more"),
    (["--jobs", "1000000000"], "--jobs 1000000000", "--notify callback"),
    (["--seed", "-1"], "-1", "0 or more"),
    (["--seed", "1.5"], "'1.5'", "whole number"),
    (["--units", "9999999999999999999999"], "units=9999999999999999999999", "at most"),
    (["--assist", "--virtual"], "--assist", "leave it out"),
    (["--assist", "--latency", "fixed:1us"], "--assist", "leave it out"),
    (["--assist", "--fault", "fail:p=0.1"], "--assist", "leave it out"),
    (["--assist", "--trace", "/tmp/never-written.pftrace"], "--assist", "leave it out"),
    (["--trace", "-"], "--trace -", "give a file"),
    (["--trace", "/"], "--trace /", "can be written"),
    (["--json", ""], "--json ''", "can be written"),
    (["--json", "/dev/null/x y"], "'/dev/null/x y'", "can be written"),
    (["--json", "/no/such/folder/x"], "/no/such/folder/x", "can be written"),
    (["--digests", "--op", "sha512", "/etc"], "sha512", "sha256"),
    (["--digests", "--count", "3", "/etc"], "--count 3", "leave --count out"),
    (["--digests", "--json", "-", "/etc"], "--json -", "a file"),
    (["--digests", "--notify", "all"], "standard input", "choose one way"),
    (["-"], "-", "--digests"),
    (["--op", "x25519", "/etc"], "x25519", "leave out the paths"),
    (["--ops", "null"], "--ops", "see simaccel run --help"),
    (["--notify"], "--notify", "see simaccel run --help"),
]


@pytest.mark.parametrize(("arguments", "value", "cure"), WRONG, ids=lambda part: " ".join(part) if part else None)
def test_run(cli: Cli, arguments: list[str], value: str, cure: str) -> None:
    run = cli("run", *arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert line.startswith("simaccel: ")
    assert value in line
    assert cure in line


@pytest.mark.parametrize(
    ("arguments", "part"), [([], "run, info"), (["frob"], "'frob'"), (["--frob"], "--frob"), (["info", "x"], "x")]
)
def test_subcommand(cli: Cli, arguments: list[str], part: str) -> None:
    run = cli(*arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert part in line


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["bench", "--rounds", "x1"], "'x1' is not a whole number"),
        (["bench", "--minutes", "x2"], "'x2' is no number"),
        (["serve", "--depth", "x3"], "'x3' is not a whole number"),
        (["serve", "--units", "1.5"], "'1.5' is not a whole number"),
        (["serve", "--workers", ""], "'' is not a whole number"),
        (["serve", "--seed", "x4"], "'x4' is not a whole number"),
        (["serve", "--stats-interval", "x5"], "'x5' is no number"),
    ],
)
def test_what_is_no_number_is_named(cli: Cli, arguments: list[str], value: str) -> None:
    run = cli(*arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert value in line


ENDLESS = Path("/dev/zero")


@pytest.mark.skipif(not ENDLESS.exists(), reason="there is no /dev/zero")
@pytest.mark.parametrize(
    ("arguments", "cure"),
    [
        (["replay", "/dev/zero"], "is not a trace"),
        (["run", "--latency", "trace:/dev/zero"], "give a shorter file"),
        (["bench", "--compare", "/dev/zero"], "that an earlier run wrote"),
    ],
    ids=["replay", "run", "bench"],
)
def test_a_file_without_an_end(cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: list[str], cure: str) -> None:
    monkeypatch.setattr("sim.timing.text_file.MAX_CHARACTERS", 10_000)
    monkeypatch.setattr("simaccel.bench.session.MAX_CHARACTERS", 10_000)
    run = cli(*arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert "/dev/zero" in line
    assert cure in line


@pytest.mark.parametrize("existed", [True, False])
def test_a_file_to_be_written_is_only_tried(tmp_path: Path, existed: bool) -> None:
    target = tmp_path / "out"
    if existed:
        target.write_text("old")
    check_writable("--json", str(target))
    assert target.exists() is existed
    assert not existed or target.read_text() == "old"


def test_to_try_a_fifo_does_not_wait_for_its_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    check_writable("--json", str(tmp_path / "fifo"))


def test_as_a_user_sees_it() -> None:
    run = child("run", "--depth", "3")
    assert (run.code, run.out) == (2, b"")
    assert run.errors == ["simaccel: depth=3: use a power of two from 1 to 1,048,576, such as 2 or 4"]


def test_an_old_json_file_survives_a_usage_error(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "old.json"
    target.write_text("old")
    assert cli("run", "--json", str(target), "--op", "x25519", "/etc").code == 2
    assert target.read_text() == "old"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["run", "--help"], ["info", "-h"]])
def test_help(cli: Cli, arguments: list[str]) -> None:
    run = cli(*arguments)
    assert (run.code, run.err) == (0, b"")
    assert run.text.startswith("Usage: simaccel")
