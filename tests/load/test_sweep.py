"""Sweeps: equal seeds give equal results to the bit, wherever they run; nothing is lost and nothing is done twice."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from simaccel.load import Card, Poisson, parse_mix, simulate
from simaccel.load.sweep_folder import SweepFolder
from simaccel.load.sweep_grid import grid, run_cells
from tests.cli.cli import Cli, child, environment
from tests.cli.conftest import cli

__all__ = ["cli"]

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    *(
        "sweep",
        "--rate",
        "5k/s,8k/s,90k/s",
        "--latency",
        "exponential:100us",
        "--latency",
        "fixed:100us",
        "--mix",
        "x25519",
    ),
    *("--cards", "1,2", "--depth", "16", "--policy", "round-robin,least-in-flight", "--seeds", "2", "--count", "500"),
)


def needs(module: str) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip(module)


@pytest.fixture(autouse=True)
def _no_picture_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """matplotlib keeps its fonts open. Children draw."""
    monkeypatch.setattr("simaccel.cli.commands.sweep.draw_sweep", lambda rows, target: None)


def test_a_row_is_what_the_simulation_says(cli: Cli, tmp_path: Path) -> None:
    run = cli(*WORDS, "--out", str(tmp_path / "out"), "--workers", "1")
    assert run.code == 0, run.errors
    assert "48 rows; 16 are unstable" in run.text
    with (tmp_path / "out" / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == list(range(48))
    row = next(row for row in rows if (row["rate"], row["cards"], row["seed"]) == ("8k/s", "2", "2"))
    wanted = simulate(
        Poisson(8_000),
        parse_mix("x25519=1"),
        Card.of(row["latency"], 1, 16),
        count=500,
        cards=2,
        policy=row["policy"],
        seed=2,
        warm_up=0.1,
    )
    assert float(row["mean_ns"]) == wanted.mean_ns
    assert int(row["p99_ns"]) == wanted.total.p99_ns
    assert {row["status"] for row in rows if row["rate"] == "90k/s"} == {"unstable"}


def test_what_was_ended_in_the_middle_goes_on_to_the_same_results(cli: Cli, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    assert cli(*WORDS, "--out", str(whole), "--workers", "1").code == 0
    assert cli(*WORDS, "--out", str(part), "--workers", "1").code == 0
    lines = (part / "rows.jsonl").read_text().splitlines(keepends=True)
    (part / "rows.jsonl").write_text("".join(lines[:20]) + lines[20][:50])  # cut off in the middle of a line
    (part / "results.csv").unlink()
    run = cli(*WORDS, "--out", str(part), "--workers", "1")
    assert "48 cells, 20 of them done before" in run.text
    assert (part / "results.csv").read_bytes() == (whole / "results.csv").read_bytes()
    again = cli(*WORDS, "--out", str(part), "--workers", "1")
    assert "48 cells, 48 of them done before" in again.text


@pytest.mark.parametrize(
    ("where", "words"), [("processes", ()), pytest.param("dask", ("--dask", "local"), marks=pytest.mark.in_ci)]
)
def test_a_killed_worker_loses_nothing_and_does_nothing_twice(
    cli: Cli, tmp_path: Path, where: str, words: tuple[str, ...]
) -> None:
    """And what two workers give is what one process gives, to the byte."""
    if where == "dask":
        needs("distributed")
    there, here = tmp_path / where, tmp_path / "here"
    plain = {**environment(), "PYTHONWARNINGS": "default"}  # Dask has warnings of its own
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.load.sweep_child",
            *WORDS,
            *words,
            "--out",
            str(there),
            "--workers=2",
            "--batch=4",
        ],
        env=plain,
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert cli(*WORDS, "--out", str(here), "--workers", "1").code == 0
    assert (there / "results.csv").read_bytes() == (here / "results.csv").read_bytes()
    numbers = [json.loads(line)["number"] for line in (there / "rows.jsonl").read_text().splitlines()]
    assert sorted(numbers) == list(range(48))
    assert (there / "p99.svg").exists() is (find_spec("matplotlib") is not None)


def test_a_row_that_comes_twice_is_kept_once(tmp_path: Path) -> None:
    axes: dict[str, Any] = {
        "latency": ["fixed:1us"],
        "rate": ["5k/s"],
        "cards": [1, 2],
        "units": [1],
        "depth": [16],
        "in_flight": [None],
        "policy": ["round-robin"],
        "seed": range(1, 3),
    }
    cells = grid(axes, arrivals="poisson", mix="x25519=1", count=50, warm_up=0.1)
    with SweepFolder(str(tmp_path / "out"), cells) as folder:
        rows = run_cells(cells[:2])
        assert folder.add(rows) == 2
        assert folder.add(rows) == 0
        assert len(folder.left) == 2
    assert len((tmp_path / "out" / "rows.jsonl").read_text().splitlines()) == 2


@pytest.mark.in_ci
def test_parquet_has_the_same_figures(cli: Cli, tmp_path: Path) -> None:
    needs("pyarrow")
    out = tmp_path / "out"
    assert child(*WORDS, "--out", str(out), "--workers", "1", "--format", "parquet").code == 0
    script = "import json, sys, pyarrow.parquet as p; print(json.dumps(p.read_table(sys.argv[1]).to_pylist()))"
    read = subprocess.run(
        [sys.executable, "-c", script, str(out / "results.parquet")], capture_output=True, check=True
    ).stdout
    rows = sorted(map(json.loads, (out / "rows.jsonl").read_text().splitlines()), key=lambda row: int(row["number"]))
    assert json.loads(read) == rows


BASE = ("--rate", "5k/s", "--latency", "fixed:100us", "--mix", "x25519")


@pytest.mark.parametrize(
    ("arguments", "value", "cure"),
    [
        ((*BASE, "--rate", ""), "without a rate", "at least one"),
        ((*BASE, "--rate", "5k/s,5k/s"), "['5k/s', '5k/s']", "take it out"),
        ((*BASE, "--rate", "5"), "'5'", "such as 800/s"),
        ((*BASE, "--cards", "0"), "--cards 0", "1 or more"),
        ((*BASE, "--cards", "two"), "'two'", "whole number"),
        ((*BASE, "--depth", "3"), "depth=3", "power of two"),
        ((*BASE, "--policy", "best"), "'best'", "use one of"),
        ((*BASE, "--mix", "rsa-sing"), "'rsa-sing'", "did you mean rsa-sign?"),
        ((*BASE, "--latency", "csv:/no/such"), "/no/such", "No such file"),
        ((*BASE, "--seeds", "0"), "--seeds 0", "1 or more"),
        ((*BASE, "--seeds", "2000000"), "2,000,000 cells", "at most 1,000,000"),
        ((*BASE, "--format", "xls"), "--format xls", "csv, parquet"),
        (("--rate", "5k/s", "--latency", "fixed:1us"), "--mix", "see simaccel sweep --help"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_bad_input(cli: Cli, tmp_path: Path, arguments: tuple[str, ...], value: str, cure: str) -> None:
    run = cli("sweep", "--out", str(tmp_path / "out"), *arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert value in line
    assert cure in line


def test_a_folder_with_something_else_in_it_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "not empty" in cli("sweep", *BASE, "--out", str(tmp_path)).errors[0]
    assert "Not a directory" in cli("sweep", *BASE, "--out", str(tmp_path / "file" / "x")).errors[0]
    out = str(tmp_path / "out")
    assert cli("sweep", *BASE, "--out", out, "--count", "100", "--workers", "1").code == 0
    assert "another sweep is in it" in cli("sweep", *BASE, "--out", out, "--count", "200").errors[0]


@pytest.mark.in_ci
def test_a_dask_address_that_does_not_answer_is_one_clear_error(tmp_path: Path) -> None:
    needs("distributed")
    run = child("sweep", *BASE, "--out", str(tmp_path / "out"), "--dask", "tcp://127.0.0.1:9")
    assert run.code == 2
    (line,) = run.errors
    assert "--dask tcp://127.0.0.1:9: no Dask scheduler answers there within 5 s" in line
    assert "start one with dask scheduler" in line
