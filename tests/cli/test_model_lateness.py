"""A timing model that the software can't keep up with is told, with the cure; in virtual time it always keeps up."""

from __future__ import annotations

import dataclasses
import json
from time import monotonic_ns
from typing import Any

import pytest

from sim import Accelerator, VirtualClock
from sim.kernels import registry
from sim.schedule import LATE_NS
from tests.cli.cli import Cli
from tests.sim.sim_requests import Completions


def _slow(payload: bytes, aux: bytes, key: Any) -> bytes:
    """Takes longer than a completion may be late."""
    end_ns = monotonic_ns() + 2 * LATE_NS
    while monotonic_ns() < end_ns:
        pass
    return payload


@pytest.fixture
def slow_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    planted = tuple(
        dataclasses.replace(kernel, run=_slow) if kernel.name == "echo" else kernel for kernel in registry.BUILT_IN
    )
    monkeypatch.setattr(registry, "BUILT_IN", planted)


RUN = ["run", "--op", "echo", "--count", "10", "--json", "-", "--notify", "fd"]


def test_it_is_said_with_the_cure(cli: Cli, slow_echo: None) -> None:
    run = cli(*RUN, "--latency", "fixed:1ns", "--units", "4")
    assert run.code == 0
    (line,) = [line for line in run.errors if line.startswith("simaccel: ")]
    assert line.startswith("simaccel: by fd: 10 of 10 operations completed later than --latency fixed:1ns says, by ")
    assert line.endswith("use --virtual, fewer units than 4, or a slower model")
    assert "NOT as modelled" in run.err.decode()
    (way,) = json.loads(run.out)["ways"]
    assert (way["as_modelled"], way["device"]["late"]) == (False, 10)
    assert way["device"]["late_ns"] >= 10 * LATE_NS


def test_in_virtual_time_no_work_is_too_slow(cli: Cli, slow_echo: None) -> None:
    run = cli(*RUN, "--latency", "fixed:1ms", "--virtual", "--jobs", "2", "--units", "1")
    assert run.code == 0
    assert not [line for line in run.errors if line.startswith("simaccel: ")]
    document = json.loads(run.out)
    (way,) = document["ways"]
    assert (document["time"], way["time"], way["as_modelled"], way["device"]["late"]) == ("virtual", "virtual", True, 0)
    # Two jobs share one unit of 1 ms: each waits for the other, but for the first one, which waits for nobody.
    assert (way["elapsed_ns"], way["operations_per_s"]) == (10_000_000, 1_000.0)
    for row in (way["total"], way["by_op"]["echo"]):
        assert (row["p50_ns"], row["p999_ns"]) == (2_000_000, 2_000_000)
        assert row["mean_ns"] == 1_900_000
        assert (row["service"]["p50_ns"], row["service"]["mean_ns"]) == (1_000_000, 1_000_000)


def test_without_a_model_nothing_is_late(cli: Cli, slow_echo: None) -> None:
    run = cli(*RUN)
    assert not [line for line in run.errors if line.startswith("simaccel: ")]
    (way,) = json.loads(run.out)["ways"]
    assert (way["time"], way["as_modelled"], way["device"]["late"]) == ("real", True, 0)


def test_virtual_time_without_a_model_takes_none(cli: Cli) -> None:
    run = cli("run", "--virtual", "--op", "null", "--count", "5", "--notify", "fd")
    assert "by fd, virtual time: without --latency nothing takes any" in run.text
    (way,) = json.loads(cli(*RUN, "--virtual").out)["ways"]
    assert (way["elapsed_ns"], way["operations_per_s"], way["verified"]) == (0, None, 10)


@pytest.mark.parametrize("faults", [(), ("fail:nth=1000",)], ids=["without faults", "with faults"])
def test_the_device_counts_late_completions(faults: tuple[str, ...]) -> None:
    for clock, late in ((None, 3), (VirtualClock(), 0)):
        with Accelerator(latency="fixed:1ns", clock=clock, faults=faults) as accel:
            accel.register("slow", lambda payload: _slow(payload, b"", None))
            done = Completions(accel)
            for _ in range(3):
                done.submit("slow")
            accel.close()
            statistics = accel.statistics()
        assert (statistics.completed, statistics.late) == (3, late)
        assert (statistics.late_ns > 3 * LATE_NS) is bool(late)
