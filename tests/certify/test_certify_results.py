"""What a run leaves: JUnit XML and JSON with the verdicts, and no folder."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from simaccel.certify.results.files import as_json, as_junit
from simaccel.certify.results.table import end
from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result
from simaccel.certify.run_folder import run_folder

RESULT = Result(
    "./server --port 4433",
    "its jobs pause",
    7,
    (
        CertifyVerdict("offload", "operations reach the device", Decision.PASSED, "rsa-sign 3", took_s=0.25),
        CertifyVerdict(
            "ring-full",
            "24 want 2 slots",
            Decision.FAILED,
            "it takes <90 %> & \x1b[1m\u2028more",
            since_s=1.5,
            took_s=2.0,
            again="simaccel certify server --scenario ring-full --seed 7 -- ./server",
            stands_for="endless loops on EAGAIN (QAT_Engine #211)",
        ),
        CertifyVerdict("reload", "it reloads", Decision.DOES_NOT_APPLY, "give --reload-signal", took_s=0.5),
        CertifyVerdict("error", "the device fails operations", Decision.PASSED, ""),
    ),
)


def test_junit() -> None:
    text = as_junit(RESULT)
    assert text.startswith("<?xml version='1.0' encoding=")
    suite = ElementTree.fromstring(text)
    assert suite.tag == "testsuite"
    assert suite.attrib == {
        "name": "simaccel certify",
        "tests": "4",
        "failures": "1",
        "skipped": "1",
        "errors": "0",
        "time": "2.750",
    }
    properties = {item.get("name"): item.get("value") for item in suite.iter("property")}
    assert properties == {"subject": "./server --port 4433", "summary": "its jobs pause", "seed": "7"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["offload", "ring-full", "reload", "error"]
    assert {case.get("classname") for case in cases.values()} == {"simaccel.certify"}
    assert [case.get("time") for case in cases.values()] == ["0.250", "2.000", "0.500", "0.000"]
    children = {name: [child.tag for child in case] for name, case in cases.items()}
    assert children == {"offload": ["system-out"], "ring-full": ["failure"], "reload": ["skipped"], "error": []}
    failure = cases["ring-full"][0]
    assert failure.get("message") == "it takes <90 %> & ?[1m?more", "what XML forbids is left out"
    assert (failure.text or "").splitlines() == [
        "24 want 2 slots",
        "it takes <90 %> & ?[1m?more",
        "stands for: endless loops on EAGAIN (QAT_Engine #211)",
        "again: simaccel certify server --scenario ring-full --seed 7 -- ./server",
    ]
    assert cases["reload"][0].get("message") == "give --reload-signal"
    assert cases["offload"][0].text == "rsa-sign 3"


def test_json() -> None:
    told = json.loads(as_json(RESULT))
    assert (told["passed"], told["summary"], told["seed"]) == (False, "its jobs pause", 7)
    assert [one["outcome"] for one in told["verdicts"]] == ["passed", "failed", "does not apply", "passed"]
    assert told["verdicts"][1]["stands_for"] == "endless loops on EAGAIN (QAT_Engine #211)"


def test_the_end_of_the_table() -> None:
    assert end(RESULT).splitlines() == [
        "",
        "ring-full failed: it takes <90 %> & \x1b[1m",
        "more (for 1.5 s)",
        "    stands for: endless loops on EAGAIN (QAT_Engine #211)",
        "    again: simaccel certify server --scenario ring-full --seed 7 -- ./server",
        "",
        "2 passed, 1 failed, 1 do not apply; seed 7",
    ]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _made(path: Path, mode: int = 0o755) -> Path:
    path.mkdir()
    (path / "file").touch()
    path.chmod(mode)
    return path


def test_the_folder_of_a_run_goes_with_it(folder: Path) -> None:
    with run_folder() as made:
        assert made.parent == folder
        assert made.stat().st_mode & 0o777 == 0o755
        with run_folder() as other:
            assert made.exists(), "the folder of a run that goes on stays"
            assert other != made
    assert not list(folder.iterdir())


def test_the_folder_of_a_run_that_was_killed_goes_with_the_next_run(folder: Path) -> None:
    killed = _made(folder / "simaccel-certify-1")
    alive = _made(folder / "simaccel-certify-2")
    begins = _made(folder / "simaccel-certify-3", 0o700)
    others = _made(folder / "something")
    (folder / "simaccel-certify-4").symlink_to(others)
    (folder / "simaccel-certify-5").touch()
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with run_folder():
            assert not killed.exists()
            assert alive.exists()
            assert begins.exists(), "it does not hold its lock yet"
            assert (others / "file").exists()
    finally:
        os.close(lock)
