"""The command: what it measures, writes, compares, and refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.bench import apart, openssl_jobs, plots, run
from engine.bench.rows import BY_NAME, ROWS
from engine.cli import main

ROOT = Path(__file__).resolve().parents[2]
CHEAP_ROWS = ("stackful-pair", "stackless-pair", "callback-cycle", "eventfd-cycle", "import")


def _bench(*arguments: str) -> int:
    return main(["bench", "--rounds", "1", *arguments])


def test_rows_alone_print_target_value_and_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench(*(word for name in CHEAP_ROWS for word in ("--row", name))) == 0
    printed = capsys.readouterr().out
    for name in CHEAP_ROWS:
        assert name in printed
    assert "at most 2.2x" in printed


def test_a_run_is_written_shown_on_a_page_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = tmp_path / "new" / "bench.json", tmp_path / "page"
    assert _bench("--part", "bare", "--json", str(path), "--out", str(folder)) == 0
    report = json.loads(path.read_text())
    assert report["version"] == run.VERSION
    assert report["machine"]["python"]
    assert report["bare"]["stackful pause/resume pair"][0] > 0
    page = (folder / "index.html").read_text()
    assert "stackful pause/resume pair" in page
    capsys.readouterr()
    assert _bench("--part", "bare", "--compare", str(path)) == 0
    printed = capsys.readouterr().out
    assert "Changes" in printed
    assert "stackless cycle by callback (ns)" in printed


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed: simaccel[bench] has it")
def test_pictures_are_drawn_twice(tmp_path: Path) -> None:
    stages = dict.fromkeys(("submit", "queue", "service", "notify", "wake to resume"), 1000.0)
    case = {"way": "fd", "kind": "stackful", "in_flight": 64, "coalesced": False}
    cell = {"case": case, "missing": "", "curve_ns": [float(n) for n in range(1_000, 14_000, 1_000)]}
    report = {
        "split": [{**cell, "typical_ns": stages}],
        "depths": [{"in_flight": 64, "times_ns": {"fd, stackful": [8_000.0], "ThreadPoolExecutor": [9_000.0]}}],
    }
    # In a child: matplotlib keeps the files of its fonts open.
    written = apart.call(plots.draw, report, tmp_path)
    assert sorted(path.name for path in written) == [
        f"{name}.{kind}" for name in ("latency", "split", "throughput") for kind in ("png", "svg")
    ]
    assert all(path.stat().st_size > 5_000 for path in written)


def test_what_was_left_out_for_lack_of_time_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("--part", "bare", "--minutes", "1e-9") == 0
    assert "left out, for 1e-09 minutes were over: pairs and cycles" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "named", "cure"),
    [
        (["--row", "nope"], "'nope'", "stackful-pair"),
        (["--part", "nope"], "'nope'", "rows, bare"),
        (["--rounds", "0"], "rounds=0", "1 or more"),
        (["--minutes", "-1"], "minutes=-1", "0 or more"),
        (["--compare", "/no/such/file"], "/no/such/file", "--json"),
        (["--json", "/dev/null/x"], "/dev/null", "can be written"),
    ],
)
def test_bad_orders_are_refused_before_anything_is_measured(
    arguments: list[str], named: str, cure: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert named in line
    assert cure in line


def test_a_file_that_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "other.json"
    path.write_text("[1]")
    assert main(["bench", "--compare", str(path)]) == 2
    assert "no report" in capsys.readouterr().err


def test_the_checkout_has_the_same_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--row", "nope"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "'nope'" in done.stderr


def test_a_machine_without_a_compiler_reports_it_as_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CC", raising=False)
    openssl_jobs.build.cache_clear()
    try:
        assert _bench("--row", "stackless-pair") == 0
    finally:
        openssl_jobs.build.cache_clear()
    printed = capsys.readouterr().out
    assert "missing" in printed
    assert "no C compiler" in printed


@pytest.mark.skipif(openssl_jobs.missing() is not None, reason="no C compiler, or no libcrypto")
@pytest.mark.parametrize("what", ["pair", "callback", "eventfd"])
def test_openssls_jobs_in_c_run(what: str) -> None:
    assert openssl_jobs.turn_ns(what, 1_000) > 0


def test_each_row_has_a_name_of_its_own() -> None:
    assert len(BY_NAME) == len(ROWS)
    assert {row.part for row in ROWS} == {"A", "C", "D"}
