"""Traces: equal seeds give equal ones, whatever process and Python; their files; and a recorded run, run again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import Accelerator, Request, Trace, TraceError, VirtualClock, load_trace, save_trace
from sim import UsageError as SimUsageError
from sim.trace import EVENTS
from simaccel.cli import main
from simaccel.testing import Scenario, run_scenario
from tests.limits import WAIT_S

ROOT = Path(__file__).parents[2]
OTHERS = ("3.11", "3.12", "3.13")
PROGRAM = """
import sys
from hashlib import sha256
from simaccel.testing import Scenario, run_scenario
digests = "".join(run_scenario(Scenario.draw(seed)).digest for seed in range(60))
print(sys.version_info[:2], sha256(digests.encode()).hexdigest())
"""


def _digest_of_another_process(python: str, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(
        [python, "-c", PROGRAM], env=environment, capture_output=True, text=True, timeout=WAIT_S, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.rsplit(maxsplit=1)[1]


def _python(version: str) -> str | None:
    """An interpreter of that version that has what simaccel needs: SIMACCEL_PYTHON_3_12 names it, or it is on PATH."""
    named = os.environ.get(f"SIMACCEL_PYTHON_{version.replace('.', '_')}")
    for python in [named] if named else [f"python{version}"]:
        try:
            found = subprocess.run(
                [python, "-c", "import cryptography, greenlet, numpy"], capture_output=True, timeout=WAIT_S, check=False
            )
        except FileNotFoundError:
            continue
        if found.returncode == 0:
            return python
    return None


def test_equal_seeds_give_equal_traces_in_every_process() -> None:
    assert _digest_of_another_process(sys.executable, "1") == _digest_of_another_process(sys.executable, "2")


@pytest.mark.parametrize("version", [v for v in OTHERS if v != f"{sys.version_info[0]}.{sys.version_info[1]}"])
def test_equal_seeds_give_equal_traces_on_every_python(version: str) -> None:
    python = _python(version)
    if python is None:
        pytest.skip(
            f"no Python {version} with cryptography, greenlet and numpy: put it on PATH, or name it in "
            f"SIMACCEL_PYTHON_{version.replace('.', '_')}"
        )
    assert _digest_of_another_process(python, "3") == _digest_of_another_process(sys.executable, "4")


def test_unequal_seeds_give_unequal_traces() -> None:
    digests = {run_scenario(Scenario(seed, faults=("fail:p=0.3",))).digest for seed in range(20)}
    assert len(digests) == 20


def _events(fault: str = "", seed: int = 1) -> list[str]:
    trace = Trace()
    clock = VirtualClock()
    with Accelerator(2, latency="fixed:10us", clock=clock, seed=seed, faults=fault, trace=trace) as accel:
        for payload in (b"1", b"22", b"333"):
            request = Request("echo", payload)
            accel.prepare(request)
            accel.submit(request)
        while clock.jump():
            pass
    return list(trace.lines())


def test_what_is_recorded() -> None:
    assert _events() == [
        "0 submit 1 echo 1 0",
        "0 submit 2 echo 2 0",
        "0 full 0 echo",
        "0 fetch 1",
        "0 start 1 at 0 unit 0 for 10000",
        "0 fetch 2",
        "0 start 2 at 10000 unit 0 for 10000",
        "10000 complete 1 ok",
        "10000 interrupt 0",
        "10000 wake 1",
        "20000 complete 2 ok",
        "20000 interrupt 0",
        "20000 wake 2",
    ]


@pytest.mark.parametrize(
    ("fault", "event"),
    [
        ("fail:nth=1", "10000 complete 1 DeviceError"),
        ("corrupt:nth=1,bytes=0,bits=1", "10000 corrupt 1 0 0x01"),
        ("duplicate:nth=1", "10000 duplicate 1"),
        ("spurious-wake:nth=2", "0 false-wake 2"),
        ("reject:nth=1", "0 reject 0 echo eagain"),
        ("stick-doorbell:nth=1", "0 doorbell-stuck 0"),
        ("reset:nth=1", "0 complete 1 ResetError"),
        ("remove:nth=2,after=15us", "15000 remove 0"),
        ("delay:nth=1", "0 fault 1 delay"),
    ],
)
def test_faults_are_recorded(fault: str, event: str) -> None:
    assert event in _events(fault)


def test_a_trace_changes_nothing_else() -> None:
    def ends(trace: Trace | None) -> list[int]:
        with Accelerator(64, 3, "uniform:5us,90us", clock=VirtualClock(), seed=3, trace=trace) as accel:
            requests = [Request("null", b"") for _ in range(64)]
            for request in requests:
                accel.prepare(request)
                accel.submit(request)
            accel.close()
            return [request.finished_ns for request in requests]

    assert ends(None) == ends(Trace())


def test_a_trace_in_real_time_has_every_event_once() -> None:
    trace = Trace()
    with Accelerator(64, trace=trace) as accel:
        for _ in range(50):
            request = Request("null", b"")
            accel.prepare(request)
            assert accel.submit(request)
    words = [line.split()[1] for line in trace.lines()]
    assert [words.count(word) for word in ("submit", "fetch", "complete", "wake")] == [50] * 4


# Files


def _saved(path: Path) -> str:
    trace = Trace()
    trace.add(0, "submit", None, "echo 1 0")
    trace.add(5, "interrupt")
    save_trace(str(path), {"what": "a test"}, trace)
    return path.read_text()


def test_a_file_holds_what_was_saved(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    text = _saved(path)
    assert text.splitlines()[:4] == ["simaccel trace 2", '{"what": "a test"}', "0 submit 0 echo 1 0", "5 interrupt 0"]
    recording = load_trace(str(path))
    assert recording.scenario == {"what": "a test"}
    assert recording.lines == ("0 submit 0 echo 1 0", "5 interrupt 0")
    save_trace(str(path), {"nothing": 1}, Trace())
    assert load_trace(str(path)).lines == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "not a trace of simaccel"),
        (lambda text: "\0\xff" * 50, "not a trace of simaccel"),
        (lambda text: text.replace("trace 2", "trace 1", 1), "a trace of version 1, and this simaccel reads version 2"),
        (lambda text: text[:-1], "damaged: its end is missing"),
        (lambda text: text[: len(text) // 2], "damaged: its end is missing"),
        (lambda text: "simaccel trace 2\n", "damaged: its end is missing"),
        (lambda text: text.replace("5 interrupt", "6 interrupt"), "do not match the digest"),
        (lambda text: text.replace("5 interrupt 0\n", ""), "do not match the digest"),
        (lambda text: text.replace("end 2", "end 3"), "do not match the digest"),
        (lambda text: text + text, "do not match the digest"),
    ],
)
def test_a_file_that_can_not_be_used(tmp_path: Path, change: Callable[[str], str], message: str) -> None:
    path = tmp_path / "trace"
    path.write_text(change(_saved(path)), encoding="latin-1")
    with pytest.raises(TraceError, match=message) as told:
        load_trace(str(path))
    assert "\n" not in str(told.value)
    assert main(["replay", str(path)]) == 2


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(b"simaccel trace 2\n" + data)
    with pytest.raises(TraceError):
        load_trace(str(path))


def test_a_scenario_that_json_can_not_hold() -> None:
    with pytest.raises(SimUsageError, match="JSON"):
        save_trace(os.devnull, {"what": object()}, Trace())


def test_the_table_of_events_has_every_word_that_a_device_notes() -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "sim").rglob("*.py"))
    noted = set(re.findall(r"\bnote\(\"([a-z-]+)\"", sources)) | {"orphaned", "spurious", "reset", "remove"}
    assert {form.split()[0] for event in EVENTS for form in event.split(", ")} == noted
