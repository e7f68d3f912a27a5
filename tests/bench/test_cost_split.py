"""The cost split: stages without a gap, and every case that makes sense."""

from __future__ import annotations

import pytest

from engine import Engine
from simaccel.bench import cost_split
from simaccel.bench.cost_split import SplitCase
from simaccel.bench.rig import Rig
from simaccel.bench.timed_accelerator import PAIR, STAGES, TimedAccelerator


def test_stages_add_up_to_the_time_from_call_to_return(rig: Rig) -> None:
    with rig.accelerator(depth=8) as device:
        accel = TimedAccelerator(device)
        with Engine(accel) as engine:
            accel.calls()
            assert engine.call("echo", b"text") == b"text"
            accel.returned(b"text")
    (timed,) = accel.timed
    stages_ns = timed.stages_ns()
    assert len(stages_ns) == len(STAGES)
    assert sum(stages_ns) == timed.returned_ns - timed.called_ns
    assert min(stages_ns) >= 0


def test_a_stage_has_the_time_that_the_model_gives_it(rig: Rig) -> None:
    with rig.accelerator(depth=8, units=1, latency="fixed:3ms") as device:
        accel = TimedAccelerator(device)
        with Engine(accel) as engine:
            accel.calls()
            engine.call("null", b"")
            accel.returned(b"")
    (timed,) = accel.timed
    assert dict(zip(STAGES, timed.stages_ns(), strict=True))["service"] == 3_000_000


def test_an_operation_that_fails_fails_through_it_too(rig: Rig) -> None:
    def broken(payload: bytes) -> bytes:
        raise ValueError("no")

    with rig.accelerator(depth=8) as device:
        device.register("broken", broken)
        with Engine(TimedAccelerator(device)) as engine, pytest.raises(Exception, match="no"):
            engine.call("broken", b"")


@pytest.mark.parametrize("case", [case for case in cost_split.cases() if case.in_flight == 8], ids=str)
def test_every_way_kind_and_coalescing_can_be_measured(rig: Rig, case: SplitCase) -> None:
    cell = cost_split.measure(rig, case)
    assert not cell.missing
    assert cell.count > 1000
    assert list(cell.stages_ns) == [*STAGES, "total", PAIR]
    for percentiles in cell.stages_ns.values():
        assert percentiles == sorted(percentiles)
    assert cell.curve_ns == sorted(cell.curve_ns)


def test_fds_that_are_not_to_be_had_are_said(rig: Rig) -> None:
    cell = cost_split.measure(rig, SplitCase("pipe", "stackful", cost_split.raise_fd_limit()))
    assert "RLIMIT_NOFILE" in cell.missing
    assert cell.count == 0


def test_each_case_is_there_once() -> None:
    cases = list(cost_split.cases())
    assert len(cases) == len(set(cases))
    assert {case.way for case in cases} == set(cost_split.WAYS)
    assert {case.in_flight for case in cases} == set(cost_split.IN_FLIGHT)
