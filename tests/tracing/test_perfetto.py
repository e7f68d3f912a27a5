"""Traces for Perfetto: what its own trace processor reads in them is what device and engine have counted."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tracemalloc
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from engine import Engine, EngineError, Retry, Scheduler
from engine.offload.statistics import EngineStatistics
from sim import Accelerator, Statistics, VirtualClock
from simaccel.tracing import perfetto
from simaccel.tracing.perfetto import PerfettoTrace
from tests.cli.cli import Cli
from tests.limits import WAIT_S
from tests.tracing.trace_processor import Rows, ask

ROOT = Path(__file__).parents[2]
FAULTS = "spurious-wake:nth=5;fail:nth=9;corrupt:nth=11;lose:nth=20;delay:nth=23,by=40us"
EVERY = "select s.name, count(*) as n, sum(s.dur) as ns, t.name as track from slice s join track t on s.track_id = t.id"
QUERIES = {
    "names": "select name, count(*) as n, sum(dur) as ns from slice group by name",
    "units": f"{EVERY} where t.name glob 'unit *' group by t.name",
    "tracks": "select distinct name from track order by name",
    "flows": "select count(*) as n from flow",
    "loose": "select count(*) as n from flow where slice_in not in (select id from slice) "
    "or slice_out not in (select id from slice)",
    "way": "select t.name as track, s.name as name from flow f join slice s on f.slice_in = s.id "
    "join track t on s.track_id = t.id where f.trace_id = 1 order by s.ts, f.id",
    "first": "select distinct s.name as name from flow f join slice s on f.slice_out = s.id where f.trace_id = 1 "
    "and s.id not in (select slice_in from flow)",
    "in flight": "select max(value) as most, min(value) as least from counter c join track t on c.track_id = t.id "
    "where t.name = 'in flight'",
    "backwards": "select count(*) as n from flow f join slice a on f.slice_out = a.id "
    "join slice b on f.slice_in = b.id where b.ts < a.ts",
    "open": "select t.name as track, s.name from slice s join track t on s.track_id = t.id where s.dur < 0",
}


@dataclass(frozen=True, slots=True)
class Traced:
    """A file, what it says, and what was counted."""

    file: Path
    answers: dict[str, Rows]
    device: Statistics
    engine: EngineStatistics


def scenario(file: Path, seed: int = 1, notify: str = "callback") -> tuple[Statistics, EngineStatistics]:
    """Twelve jobs on a ring of four, with faults and deadlines; then one call outside of a job."""
    latency = "uniform:5us,25us+fixed:3us"
    with PerfettoTrace(file) as trace:
        accel = Accelerator(4, 2, latency, clock=VirtualClock(), seed=seed, faults=FAULTS, trace=trace)
        with accel, Engine(accel, notify, deadline_ns=400_000, retry=Retry(), trace=trace) as engine:
            _work(engine)
    return accel.statistics(), engine.statistics


def _work(engine: Engine) -> None:
    def body(number: int) -> None:
        for serial in range(3):
            with suppress(EngineError):
                engine.call("echo", b"%d %d" % (number, serial))

    with Scheduler() as scheduler:
        scheduler.map(body, range(12))
    engine.call("sha256", b"outside")


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    file = tmp_path_factory.mktemp("traced") / "run.pftrace"
    device, engine = scenario(file)
    answers = dict(zip(QUERIES, ask(file, *QUERIES.values()), strict=True))
    return Traced(file, answers, device, engine)


def _by_name(traced: Traced) -> dict[str, int]:
    return {row["name"]: row["n"] for row in traced.answers["names"]}


def test_the_counts_are_those_of_the_statistics(traced: Traced) -> None:
    names, device, engine = _by_name(traced), traced.device, traced.engine
    assert names["submit echo"] + names["submit sha256"] == device.submitted
    assert names["fetch"] == device.submitted
    assert sum(n for name, n in names.items() if name.startswith("complete")) == device.submitted - device.in_flight
    assert names["hand out"] == device.completed + device.failed + device.orphaned
    assert names["interrupt"] == device.interrupts
    assert names["paused"] + names["slot"] == engine.pauses
    assert names["slot"] == names["EAGAIN"] == engine.eagains > 0
    assert names["spurious wake"] == engine.spurious_wakes == 1
    assert sum(n for name, n in names.items() if name.startswith("failed ")) == engine.failed
    assert {name: n for name, n in names.items() if name.startswith("fault ")} == {
        f"fault {kind}": count for kind, count in device.faults.items()
    }


def test_failures_are_instants(traced: Traced) -> None:
    """One request was lost, and its deadline has passed; another one failed."""
    names = _by_name(traced)
    assert (names["failed DeadlineError"], names["failed DeviceError"]) == (1, 1)


def test_callers_outside_of_jobs_take_the_first_track_that_is_free(tmp_path: Path) -> None:
    async def twice(engine: Engine) -> None:
        for _ in range(2):
            await asyncio.gather(*(engine.aio.sha256(b"%d" % number) for number in range(20)))

    with (
        PerfettoTrace(tmp_path / "file") as trace,
        Accelerator(8, 2, "fixed:10us", clock=VirtualClock(), seed=1, trace=trace) as accel,
        Engine(accel, trace=trace) as engine,
    ):
        asyncio.run(twice(engine))
        for _ in range(5):
            engine.sha256(b"a thread")
    read = Trace()
    read.ParseFromString((tmp_path / "file").read_bytes())
    tracks = [packet.track_descriptor.name for packet in read.packet if packet.HasField("track_descriptor")]
    assert [name for name in tracks if name.startswith("caller ")] == [f"caller {number}" for number in range(1, 21)]
    kinds = [packet.track_event.type for packet in read.packet if packet.HasField("track_event")]
    assert kinds.count(TrackEvent.TYPE_SLICE_BEGIN) == kinds.count(TrackEvent.TYPE_SLICE_END) > 2 * 45


def test_durations_are_those_of_the_statistics(traced: Traced) -> None:
    assert {row["track"] for row in traced.answers["units"]} == {"unit 0", "unit 1"}
    assert sum(row["ns"] for row in traced.answers["units"]) == traced.device.busy_ns
    (full,) = [row["ns"] for row in traced.answers["names"] if row["name"] == "ring full"] or [0]
    assert full == traced.device.time_at_full_ns
    assert traced.answers["in flight"] == [{"most": traced.device.high_water, "least": 0}]


def test_there_is_a_track_for_each_ring_unit_job_and_wait_context(traced: Traced) -> None:
    tracks = {row["name"] for row in traced.answers["tracks"]}
    assert {"submission ring", "completion ring", "worker", "unit 0", "unit 1", "caller 1"} <= tracks
    assert {f"wait context {number}" for number in range(1, 13)} <= tracks
    assert len([name for name in tracks if name.startswith("job ")]) == 12


def test_an_operation_is_a_chain_of_arrows_from_submit_to_resume(traced: Traced) -> None:
    way = [(row["track"], row["name"]) for row in traced.answers["way"]]
    assert traced.answers["first"] == [{"name": "submit echo"}]
    assert [name for _, name in way] == ["fetch", "echo", "complete", "hand out", "wake", "resume"]
    assert [track.rstrip("0123456789 ") for track, _ in way[1:4]] == ["unit", "completion ring", "worker"]
    assert way[5][0].startswith("job ")


def test_each_arrow_has_two_ends_and_goes_forward(traced: Traced) -> None:
    names = _by_name(traced)
    ended = sum(n for name, n in names.items() if name.startswith("complete"))
    # submit, fetch and service of all; complete, hand out, wake and resume of those that have completed for somebody.
    assert traced.answers["flows"][0]["n"] >= 6 * (ended - traced.device.orphaned)
    assert traced.answers["loose"] == traced.answers["backwards"] == [{"n": 0}]
    assert traced.answers["open"] == []


def test_equal_seeds_give_equal_files_and_unequal_ones_do_not(tmp_path: Path) -> None:
    def run(seed: int, notify: str) -> bytes:
        scenario(tmp_path / "file", seed, notify)
        return (tmp_path / "file").read_bytes()

    for notify in ("fd", "callback", "poll"):
        assert run(1, notify) == run(1, notify)
    assert run(1, "fd") != run(2, "fd")


@pytest.mark.in_ci
def test_equal_seeds_give_equal_files_in_every_process(tmp_path: Path) -> None:
    files = []
    for number in (1, 2):
        file = tmp_path / f"{number}.pftrace"
        words = [
            "run",
            "--virtual",
            "--seed",
            "7",
            "--latency",
            "lognormal:20us,0.4",
            "--op",
            "sha256",
            "--count",
            "60",
        ]
        words += ["--depth", "16", "--op", "sha256", "--notify", "all", "--fault", "delay:p=0.1", "--trace", str(file)]
        subprocess.run(
            [sys.executable, "-m", "simaccel", *words],
            env={**os.environ, "PYTHONHASHSEED": str(number), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            timeout=WAIT_S,
            check=True,
        )
        files.append(file.read_bytes())
    assert files[0] == files[1]


def test_a_trace_changes_nothing_else(tmp_path: Path) -> None:
    class Nothing:
        def number(self, request: object) -> None: ...

        def add(self, *event: object) -> None: ...

        def identify(self, *thing: object) -> int:
            return 1

    with PerfettoTrace(tmp_path / "file") as trace:
        runs = []
        for tracer in (None, Nothing(), trace):
            with (
                Accelerator(8, 2, "uniform:5us,90us", clock=VirtualClock(), seed=3) as accel,
                Engine(accel, "fd", trace=tracer) as engine,
                Scheduler() as scheduler,
            ):
                if tracer is not None:
                    accel.faults.trace_to(tracer)
                scheduler.map(lambda n, engine=engine: engine.call("null"), range(40))
                runs.append((accel.clock.now_ns(), engine.statistics, accel.statistics().busy_ns))
        assert runs[0] == runs[1] == runs[2]


def test_in_real_time_without_a_model_the_services_follow_one_another(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "real.pftrace"
    assert cli("run", "--op", "sha256", "--count", "200", "--notify", "fd", "--trace", str(file)).code == 0
    overlaps = (
        "select count(*) as n from slice a join slice b on a.track_id = b.track_id and a.id < b.id "
        "and b.ts < a.ts + a.dur join track t on t.id = a.track_id where t.name = 'unit 0'"
    )
    served, overlapping = ask(file, "select count(*) as n from slice where name = 'sha256'", overlaps)
    assert served == [{"n": 400}]  # each on its unit, and on its job
    assert overlapping == [{"n": 0}]


def test_the_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = 1 << 12
    monkeypatch.setattr(perfetto, "KEPT_NUMBERS", kept)

    def submit_many(trace: PerfettoTrace, count: int) -> None:
        for serial in range(count):
            request = object()
            trace.number(request)
            trace.add(serial, "submit", request, "null", 0, 0)
            trace.add(serial, "fetch", request)
            trace.add(serial, "wake", request)

    with PerfettoTrace(tmp_path / "file") as trace:
        submit_many(trace, kept)
        tracemalloc.start()
        submit_many(trace, 8 * kept)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert grown < 1 << 20
    assert trace.file.events > 3 * 8 * kept


def test_a_full_disk_in_mid_trace_is_one_line_and_the_run_goes_on(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "trace.pftrace"
    words = ["run", "--virtual", "--latency", "fixed:5us", "--op", "null", "--notify", "poll", "--count", "4000"]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, before[1]))
    try:
        run = cli(*words, "--trace", str(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert run.code == 1
    assert "all 4,000 results verified" in run.text
    assert run.errors == [f"simaccel: {file}: File too large"]
    trace = Trace()
    trace.ParseFromString(file.read_bytes())  # it ends after a whole portion
    assert 300_000 < file.stat().st_size < 400_000
    assert len(trace.packet) > 8_000


def test_a_file_that_can_not_be_written_is_told_before_anything_is_done(cli: Cli, tmp_path: Path) -> None:
    run = cli("run", "--op", "null", "--trace", str(tmp_path / "missing" / "file.pftrace"))
    assert (run.code, run.out, len(run.errors)) == (2, b"", 1)
    assert "give a file that can be written" in run.errors[0]
