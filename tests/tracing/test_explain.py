"""`simaccel explain`: what it says of a trace is what was counted, and two traces show what changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Engine, Scheduler
from sim import Accelerator, Statistics, TraceError, VirtualClock
from simaccel.tracing.file import PerfettoFile
from simaccel.tracing.perfetto import PerfettoTrace
from simaccel.tracing.read import read_trace
from simaccel.tracing.story import STAGES
from tests.cli.cli import Cli
from tests.tracing.trace_processor import ask

ROOT = Path(__file__).parents[2]


def traced(path: Path, depth: int = 4, units: int = 1, start_ns: int = 0) -> Statistics:
    """Eight jobs of three operations each, 10 us of service and 2 us of latency."""
    with PerfettoTrace(path) as trace:
        accel = Accelerator(depth, units, "fixed:10us+fixed:2us", clock=VirtualClock(start_ns), seed=1, trace=trace)
        with accel, Engine(accel, "callback", trace=trace) as engine, Scheduler() as scheduler:

            def body(number: int) -> None:
                for _ in range(3):
                    engine.sha256(b"%d" % number)

            scheduler.map(body, range(8))
    return accel.statistics()


def test_the_stages_add_up_to_what_each_caller_waited(tmp_path: Path) -> None:
    counted = traced(tmp_path / "a")
    (device,) = read_trace(str(tmp_path / "a"))
    assert device.operations == counted.completed == 24
    assert device.full_ns == counted.time_at_full_ns > 0
    arrays = dict(zip(STAGES, device.stages["sha256"], strict=True))
    assert sum(arrays["service"]) == 24 * 12_000
    assert sum(arrays["deliver"]) == sum(arrays["wake"]) == 0
    # One unit does all, one after the other. The last ends after 24 services, and all that time each job waits.
    assert device.span_ns == 24 * 10_000 + 2_000
    last = max(device.longest)[2]
    assert sum(last.stages_ns()) == max(sum(times) for times in zip(*arrays.values(), strict=True))
    assert last.caller.startswith("job ")


def test_an_open_load_shows_each_handshake_with_its_operations(tmp_path: Path, cli: Cli) -> None:
    file, words = tmp_path / "a.pftrace", "--rate 10k/s --count 200 --handshake tls13-ecdsa-p256 --latency fixed:100us"
    run = cli("run", *words.split(), "--units", "3", "--virtual", "--notify", "callback", "--trace", str(file))
    assert run.code == 0, run.errors
    longest, sums = ask(
        file,
        queries()["handshake"],
        "select count(*) as n, sum(dur) as ns from slice where name = 'tls13-ecdsa-p256'",
    )
    assert [row["stage"] for row in longest if row["stage"] not in ("paused", "resume")] == ["x25519", "ecdsa-sign"]
    first, second = (row for row in longest if row["stage"] in ("x25519", "ecdsa-sign"))
    # Each is cut to whole microseconds.
    assert first["handshake_us"] - first["stage_us"] - second["stage_us"] in (0, 1)
    assert first["handshake_us"] >= 200
    assert sums[0]["n"] == 200
    # The stages of the operations are as without handshakes around them: no time is counted twice.
    (device,) = read_trace(str(file))
    assert device.operations == 400
    assert sum(sum(sum(times) for times in arrays) for arrays in device.stages.values()) == sums[0]["ns"]


def queries() -> dict[str, str]:
    """The queries of docs/seeing.md, by the first word of the comment that each begins with."""
    found = re.findall(
        r"```sql\n(-- (?:the longest )?(\w+).*?)```", (ROOT / "docs" / "seeing.md").read_text(), re.DOTALL
    )
    return {word: query for query, word in found}


@pytest.mark.parametrize("start_ns", [0, 40_547 * 10**9])
def test_a_full_ring_says_who_held_it(tmp_path: Path, cli: Cli, start_ns: int) -> None:
    """All times count from the begin of the trace, because a machine's clock shows when it was started."""
    traced(tmp_path / "a", start_ns=start_ns)
    told = cli("explain", str(tmp_path / "a"))
    assert told.code == 0
    assert "device: 24 operations in 242us" in told.text
    assert "is slot: waiting for a slot of the ring: use a larger ring (depth, entries), or fewer" in told.text
    assert "at 0ns for 12.0us: 4 sha256; longest there: request 1, sha256 of job 1" in told.text


def test_two_traces_say_what_changed(tmp_path: Path, cli: Cli) -> None:
    traced(tmp_path / "a", depth=4)
    traced(tmp_path / "b", depth=16)
    traced(tmp_path / "c", depth=16, units=8)
    lines = cli("explain", str(tmp_path / "a"), str(tmp_path / "b")).text.splitlines()
    (slot,) = (line.split() for line in lines if line.startswith("slot"))
    assert slot[2:4] == ["0ns", "-100%"]
    (queue,) = (line.split() for line in lines if line.startswith("queue"))
    assert queue[3].startswith("+")
    told = cli("explain", str(tmp_path / "b"), str(tmp_path / "c")).text
    assert "what changed most is queue" in told
    assert "shorter in the mean" in told
    same = cli("explain", str(tmp_path / "a"), str(tmp_path / "a")).text
    assert "no stage has changed" in same


def test_a_trace_for_replay_says_the_same_of_the_device(tmp_path: Path, cli: Cli) -> None:
    words = ["run", "--virtual", "--latency", "uniform:5us,50us", "--depth", "4", "--count", "60", "--notify", "fd"]
    words += ["--notify", "poll", "--seed", "3", "--op", "sha256", "--fault", "fail:nth=7"]
    for name in ("a.pftrace", "a.trace"):
        assert cli(*words, "--trace", str(tmp_path / name)).code == 1  # the fault did what it is there for
    drawn, recorded = (read_trace(str(tmp_path / name)) for name in ("a.pftrace", "a.trace"))
    assert [device.name for device in drawn] == [device.name for device in recorded] == ["by fd", "by poll"]
    for one, other in zip(drawn, recorded, strict=True):
        assert one.operations == other.operations == 60
        assert one.full_ns == other.full_ns
        assert one.faults == other.faults == {"fail": 1}
        assert one.failures == other.failures == {"DeviceError": 1}
        for at, stage in enumerate(STAGES):
            if stage not in ("slot", "wake"):  # which the device alone does not know
                assert sorted(one.stages["sha256"][at]) == sorted(other.stages["sha256"][at])


def test_a_file_that_was_cut_off_says_what_there_is(tmp_path: Path, cli: Cli) -> None:
    traced(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    (tmp_path / "b").write_bytes(data[: len(data) // 2])
    told = cli("explain", str(tmp_path / "b"))
    assert told.code == 0
    assert "still in flight at the end" in told.text


def other_perfetto(path: Path) -> None:
    file = PerfettoFile(path)
    file.track("something else")
    file.close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b""), "is not a trace of simaccel"),
        (lambda path: path.write_bytes(b"PNG" * 50), "is not a trace of simaccel"),
        (lambda path: path.write_bytes(b"\x0a\xff\xff\xff\x7f"), "is damaged: a packet of 268,435,455 bytes"),
        (lambda path: path.write_bytes(b"\x0a\x02\x08\xff"), "is damaged: a number does not end"),
        (other_perfetto, "is a Perfetto trace, but not one of simaccel"),
    ],
)
def test_a_file_that_can_not_be_used_is_one_line(tmp_path: Path, cli: Cli, make: object, message: str) -> None:
    assert callable(make)
    make(tmp_path / "file")
    told = cli("explain", str(tmp_path / "file"))
    assert (told.code, told.out, len(told.errors)) == (2, b"", 1)
    assert message in told.errors[0]


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pftrace"
    path.write_bytes(b"\x0a" + data)
    message = ""
    try:
        read_trace(str(path))
    except TraceError as error:
        message = str(error)
    assert "\n" not in message
