"""What `simaccel run --trace` accepts and records, `simaccel replay` runs again."""

from __future__ import annotations

import itertools
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from sim import Trace, load_trace, save_trace
from simaccel.cli import main
from simaccel.cli.workload.options import DEFAULT_COUNT, RunOptions
from simaccel.cli.workload.software import MAKERS
from tests.cli.cli import Cli

EVERY_OP = [word for op in MAKERS for word in ("--op", op)]

RUNS = {
    "fd": ["--notify", "fd"],
    "pipe": ["--notify", "pipe"],
    "fd and pipe": ["--notify", "fd", "--notify", "pipe"],
    "callback": ["--notify", "callback"],
    "poll": ["--notify", "poll"],
    "heuristic": ["--notify", "heuristic"],
    "all": ["--notify", "all"],
    "contract": ["--notify", "callback", "--contract", "strict"],
    "contract, fd too": ["--notify", "all", "--contract", "dasync"],
    "depth": ["--depth", "2"],
    "jobs": ["--jobs", "3"],
    "latency": ["--latency", "lognormal:50us,0.3"],
    "units": ["--latency", "fixed:50us", "--units", "4"],
    "preset": ["--latency", "preset:qat-dh895xcc"],
    "every operation": EVERY_OP,
    "faults": ["--fault", "lose:nth=7", "--fault", "fail:every=9", "--fault", "reorder:p=0.2"],
    "deadline": ["--deadline", "5ms", "--latency", "fixed:4ms"],
    "seed": ["--seed", "0"],
    "open load": ["--rate", "5k/s", "--latency", "fixed:40us"],
    "open load of handshakes": ["--rate", "5k/s", "--arrivals", "bursts:1ms,1ms", "--mix", "tls13-rsa2048=2,x25519"],
    "open load for a time": ["--arrivals", "constant", "--rate", "5k/s", "--for", "5ms", "--jobs", "2"],
}


def _recorded(cli: Cli, path: Path, words: list[str]) -> None:
    count = [] if "--count" in words else ["--count", "40"]
    run = cli("run", *words, *count, "--trace", str(path))
    assert run.code in (0, 1), run.errors  # 1: a fault did what it is there for


@pytest.mark.parametrize("words", RUNS.values(), ids=RUNS.keys())
def test_a_recorded_run_is_replayed(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "trace"
    _recorded(cli, path, words)
    events = len(load_trace(str(path)).lines)
    replay = cli("replay", str(path))
    assert (replay.code, replay.text, replay.errors) == (0, f"{events:,} events, each as recorded\n", [])


def test_the_table_above_varies_all_that_is_recorded(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    seen: dict[str, set[str]] = {}
    for words in [*([*words, "--count", "2"] for words in RUNS.values()), ["--count", "3"]]:
        _recorded(cli, path, words)
        for name, value in load_trace(str(path)).scenario["run"].items():
            seen.setdefault(name, set()).add(repr(value))
    assert seen.keys() < {field.name for field in fields(RunOptions)}
    assert [name for name, values in seen.items() if len(values) < 2] == []


def test_the_default_count_is_replayed(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    assert cli("run", "--op", "null", "--notify", "poll", "--trace", str(path)).code == 0
    assert load_trace(str(path)).scenario["run"]["count"] is None
    assert sum(line.split()[1] == "submit" for line in load_trace(str(path)).lines) == DEFAULT_COUNT
    assert cli("replay", str(path)).code == 0


@pytest.mark.parametrize("offsets", ["", ",bytes=-1", ",bytes=70+71+72", ",bits=0x80"])
def test_results_whose_length_no_seed_decides(cli: Cli, tmp_path: Path, offsets: str) -> None:
    # Of 200 ECDSA signatures some have 70 bytes, and some 71 or 72.
    path = tmp_path / "trace"
    fault = f"corrupt:every=1{offsets}"
    _recorded(cli, path, ["--op", "ecdsa-sign", "--count", "200", "--notify", "poll", "--fault", fault])
    assert cli("replay", str(path)).code == 0


def test_a_recorded_run_needs_no_other_file(cli: Cli, tmp_path: Path) -> None:
    durations, path = tmp_path / "durations", tmp_path / "trace"
    durations.write_text("10us\n30us\n")
    _recorded(cli, path, ["--latency", f"per-op:sha256=tail:p=0.1,x=2,trace:{durations};*=trace:{durations}+fixed:1us"])
    durations.unlink()
    assert load_trace(str(path)).scenario["run"]["latency"] == (
        "per-op:sha256=tail:p=0.1,x=2,values:10us,30us;*=values:10us,30us+fixed:1us"
    )
    assert cli("replay", str(path)).code == 0


OPEN = {"arrivals": "poisson", "rate_per_s": 5e3, "mix": "x25519=1", "count": 9, "for_ns": None}
BROKEN: dict[str, list[Any]] = {
    "deadline_ns": ["soon", -5, 0, True, 1.5],
    "ways": ["fd", 5, [5], [], None],
    "ops": ["sha256", [5], [[]], None, []],
    "faults": ["lose:nth=1", 5, [5], None],
    "units": [1.5, "4", 0],
    "count": [2.5, "9", 0],
    "jobs": [None, 1.5, 0],
    "depth": [None, "8"],
    "latency": [5, [], "fixed"],
    "contract": [5, "x"],
    "seed": ["x", 1.5, -1, False],
    "load": [
        5,
        {},
        OPEN | {"arrivals": "csv:/etc/passwd"},
        OPEN | {"arrivals": "often"},
        OPEN | {"rate_per_s": 0.0},
        OPEN | {"mix": ""},
        OPEN | {"count": None},
        OPEN | {"count": True},
        OPEN | {"count": 10**9},
        OPEN | {"count": None, "for_ns": 10**18},
    ],
}


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The description of a recorded run."""
    path = str(tmp_path_factory.mktemp("recorded") / "trace")
    assert main(["run", "--op", "null", "--notify", "poll", "--count", "40", "--trace", path]) == 0
    run: dict[str, Any] = load_trace(path).scenario["run"]
    return run


@pytest.mark.parametrize(
    ("name", "value"), [pair for name, values in BROKEN.items() for pair in itertools.product([name], values)]
)
def test_a_description_that_cannot_be_is_told_in_one_line(
    cli: Cli, described: dict[str, Any], tmp_path: Path, name: str, value: object
) -> None:
    path = tmp_path / "trace"
    save_trace(str(path), {"run": described | {name: value}}, Trace())
    replay = cli("replay", str(path))
    assert (replay.code, replay.out) == (2, b"")
    (line,) = replay.errors
    assert str(path) in line
