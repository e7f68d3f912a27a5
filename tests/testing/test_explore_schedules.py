"""Schedules: saved, read, replayed; and refused when they are damaged or do not fit."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace

from simaccel.testing import (
    Run,
    Schedule,
    ScheduleError,
    ScheduleFailure,
    explore,
    replay,
)
from simaccel.testing.exploration.picture import picture
from tests.testing.simple_models import lost_update


def test_a_saved_schedule_is_replayed(tmp_path: Path) -> None:
    file = tmp_path / "lost.schedule"
    with pytest.raises(ScheduleFailure, match=str(file)) as caught:
        explore(lost_update, preemptions=2, save=file)
    assert Schedule.load(file) == caught.value.schedule
    with pytest.raises(ScheduleFailure, match="the number is 1") as again:
        replay(lost_update, file)
    assert again.value.schedule == caught.value.schedule


def test_beside_a_saved_schedule_stand_a_picture_and_a_file_for_perfetto(tmp_path: Path) -> None:
    with pytest.raises(ScheduleFailure) as caught:
        explore(lost_update, preemptions=2, save=tmp_path / "lost.schedule")
    schedule = caught.value.schedule
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lost.pftrace", "lost.schedule", "lost.svg"]
    svg = ElementTree.fromstring((tmp_path / "lost.svg").read_text())
    texts = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["tests.testing.simple_models.lost_update", "left", "right"] + [
        label for actor, label in schedule.steps
    ] + [f"FAILS: {caught.value.reason}"]
    actors = [actor for actor, _ in schedule.steps]
    turns = sum(one != other for one, other in pairwise(actors))
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}path"))) == turns > 0
    trace = Trace()
    trace.ParseFromString((tmp_path / "lost.pftrace").read_bytes())
    tracks = [packet.track_descriptor.name for packet in trace.packet if packet.HasField("track_descriptor")]
    assert tracks == ["tests.testing.simple_models.lost_update", "left", "right"]
    events = [packet.track_event for packet in trace.packet if packet.HasField("track_event")]
    assert sum(event.type == event.TYPE_SLICE_BEGIN for event in events) == schedule.step_count
    assert sum(len(event.flow_ids) for event in events) == 2 * turns


def test_a_picture_holds_any_label(tmp_path: Path) -> None:
    drawn = picture("a <model>", [("left & right", "x < y && \x00\x1b\u2028" + "z" * 100)], "no ]]> end")
    texts = [element.text or "" for element in ElementTree.fromstring(drawn).iter("{http://www.w3.org/2000/svg}text")]
    assert texts[:2] == ["a <model>", "left & right"]
    assert texts[2].startswith("x < y && ���zzz")
    assert texts[2].endswith("z…")
    ElementTree.fromstring(picture("no step", [], "failed"))


def test_a_replay_that_passes_returns() -> None:
    def model(run: Run) -> None:
        run.actor("left", lambda: run.step("go"))

    replay(model, Schedule("any", 0, (("left", "begin"), ("left", "go"))))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([("left", "begin"), ("left", "read")], "its step 2 is left: read"),
        ([("left", "begin"), ("left", "write")], "it has 2 steps, and the model ended after 4"),
        (
            [("middle", "begin")],
            "its step 1 is middle: begin, but the model can only take left: begin or right: begin there",
        ),
        (
            [("left", "begin"), ("left", "write"), ("right", "begin"), ("right", "write"), ("right", "more")],
            "it has 5 steps, and the model ended after 4",
        ),
    ],
)
def test_a_schedule_that_does_not_fit_is_refused(steps: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        replay(lost_update, Schedule("any", 0, tuple(steps)))


def test_the_text_form_goes_both_ways() -> None:
    schedule = Schedule("a.model", 2, (("left", "begin: x"), ("?", "which = 1"), ("right", "write")))
    assert Schedule.from_text(schedule.to_text()) == schedule


GOOD = Schedule("a.model", 0, (("left", "begin"),)).to_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a schedule"),
        ("hello\n", "not a schedule: it begins with 'hello'"),
        (GOOD.replace("schedule 1", "schedule 2"), "of version 2: this simaccel reads version 1"),
        (GOOD.replace("left", "right"), "checksum"),
        (GOOD.replace("left: begin\n", ""), "checksum"),
        (GOOD[: GOOD.index("end")], "cut off"),
        ("simaccel schedule 1\nend: 0 steps, crc32 00000000\n", "damaged"),
    ],
)
def test_a_damaged_text_is_refused(text: str, message: str) -> None:
    with pytest.raises(ScheduleError, match=message):
        Schedule.from_text(text)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScheduleError, match="not even text"):
        Schedule.load(file)
