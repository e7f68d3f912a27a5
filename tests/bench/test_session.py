"""The command: what it measures, writes, compares, and refuses."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from simaccel.bench import child_process, openssl_jobs, real_crypto, report_plots, run_parts, session
from simaccel.bench.interleaved_rounds import interleave
from simaccel.bench.progress import BenchProgress
from simaccel.bench.rows import BY_NAME, ROWS
from simaccel.cli import main

ROOT = Path(__file__).resolve().parents[2]
CHEAP_ROWS = ("stackful-pair", "stackless-pair", "callback-cycle", "eventfd-cycle", "import")


def _bench(*arguments: str) -> int:
    return main(["bench", "--rounds", "1", *arguments])


@pytest.mark.in_ci
def test_rows_alone_print_what_was_measured_and_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench(*(word for name in CHEAP_ROWS for word in ("--row", name))) == 0
    printed = capsys.readouterr()
    for name in CHEAP_ROWS:
        assert name in printed.out
    # Whether this project's own targets are reached is not the user's affair.
    for word in ("target", "reached", "at most"):
        assert word not in printed.out
    measured = [line for line in printed.err.splitlines() if line.startswith("measuring ")]
    assert measured == [f"measuring row {name}, {number} of 5" for number, name in enumerate(CHEAP_ROWS, 1)]


def test_the_goals_stand_beside_what_was_measured_if_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("--row", "import", "--goals") == 0
    heading, line = capsys.readouterr().out.splitlines()[2:4]
    for column, value in (("target", r"at most 150 ms"), ("measured", r"[\d,.]+ ms"), ("reached", "yes|no")):
        at = heading.index(column), heading.index(column) + len(column)
        (found,) = [match for match in re.finditer(rf"\b({value})(?=  |$)", line) if _overlap(match.span(), at)]
        assert found, column


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def test_json_to_stdout_makes_the_tables_go_to_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _bench("--row", "import", "--json", "-") == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rows"][0]["name"] == "import"
    assert "Figures" in printed.err
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_tells_and_writes_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(real_crypto, "measure", interrupted)
    path = tmp_path / "bench.json"
    words = ["--row", "import", "--part", "rows", "--part", "crypto", "--part", "counts", "--json", str(path)]
    assert _bench(*words) == 130
    printed = capsys.readouterr()
    assert "import engine" in printed.out
    assert "left out because of Ctrl-C: real crypto, counts, fd, stackful, " in printed.out
    assert printed.err.splitlines()[-1] == "simaccel: interrupted"
    report = json.loads(path.read_text())
    assert (report["interrupted"], len(report["rows"]), report["counts"]) == (True, 1, [])


def test_what_is_missing_is_told_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    assert _bench("--row", "import", "--out", str(tmp_path)) == 0
    printed = capsys.readouterr()
    first = next(line for line in printed.err.splitlines() if "OpenSSL" not in line)
    assert first.startswith("simaccel: no pictures will be drawn: matplotlib is not installed; pip install ")
    assert f"the page: {tmp_path}/index.html" in printed.out


def test_on_a_terminal_the_bar_moves_with_each_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stderr = Terminal()
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    seen: list[str] = []

    def turn() -> float:
        seen.append(stderr.getvalue())
        return 1.0

    with BenchProgress(1) as progress:
        progress.begin("row x")
        interleave({"ours": turn}, 2)
    assert [text for text in ("warming up, ours", "round 1 of 2, ours", "round 2 of 2, ours") if text in seen[2]] == [
        "warming up, ours",
        "round 1 of 2, ours",
        "round 2 of 2, ours",
    ]
    assert "round 2" not in seen[1]
    assert "row x: round 2 of 2, ours" in seen[2]


def test_a_run_is_written_shown_on_a_page_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, folder = tmp_path / "new" / "bench.json", tmp_path / "page"
    assert _bench("--part", "bare", "--json", str(path), "--out", str(folder)) == 0
    report = json.loads(path.read_text())
    assert report["version"] == run_parts.VERSION
    assert report["machine"]["python"]
    assert report["bare"]["stackful pause/resume pair"][0] > 0
    page = (folder / "index.html").read_text()
    assert "stackful pause/resume pair" in page
    capsys.readouterr()
    assert _bench("--part", "bare", "--compare", str(path)) == 0
    printed = capsys.readouterr().out
    assert "Changes" in printed
    assert "stackless cycle by callback (ns)" in printed


@pytest.mark.in_ci
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
    written = child_process.call(report_plots.draw, report, tmp_path)
    assert sorted(path.name for path in written) == [
        f"{name}.{kind}" for name in ("latency", "split", "throughput") for kind in ("png", "svg")
    ]
    assert all(path.stat().st_size > 5_000 for path in written)


def test_what_was_left_out_for_lack_of_time_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert _bench("--part", "bare", "--minutes", "1e-9") == 0
    assert "left out because 1e-09 minutes were over: pairs and cycles" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "named", "cure"),
    [
        (["--row", "nope"], "'nope'", "stackful-pair"),
        (["--part", "nope"], "'nope'", "rows, bare"),
        (["--rounds", "0"], "rounds=0", "1 or more"),
        (["--minutes", "-1"], "minutes=-1", "0 to"),
        (["--minutes", "nan"], "minutes=nan", "0 to"),
        (["--minutes", "inf"], "minutes=inf", "0 to"),
        (["--out", "/dev/null/x"], "--out /dev/null/x", "can be written"),
        (["--out", "/dev/null"], "--out /dev/null", "can be written"),
        (["--json", "/"], "--json /", "can be written"),
        (["--json", "nul\0"], "--json 'nul'", "can be written"),
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


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "{",
        '{"version": 0}',
        '{"version": 1, "rows": 5}',
        '{"version": 1, "rows": [{}]}',
        '{"version": 1, "bare": {"x": ["y"]}}',
        '{"version": 1, "bare": {"x": []}}',
        '{"version": 1, "depths": [[]]}',
        "[" * 100_000,
        "\0",
    ],
)
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    assert main(["bench", "--compare", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(path) in line


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
