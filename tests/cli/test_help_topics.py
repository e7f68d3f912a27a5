"""`simaccel help TOPIC` names all that the parsers take."""

from __future__ import annotations

import re

import pytest

from sim import parse_faults
from sim.faults import KINDS
from sim.timing import parse_timing, preset_names
from sim.timing.parse import _EXAMPLES as EXAMPLES
from sim.trace import EVENTS
from simaccel.cli.topics import TOPICS, topic_text
from tests.cli.cli import Cli


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_printed_within_80_columns(cli: Cli, topic: str) -> None:
    run = cli("help", topic)
    assert (run.code, run.errors) == (0, [])
    assert max(map(len, run.text.splitlines())) <= 80
    assert "The page: docs/" in run.text


def test_an_unknown_topic_is_usage(cli: Cli) -> None:
    run = cli("help", "faulty")
    assert run.code == 2
    assert "timing, faults, trace" in run.errors[0]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_fault_is_told_of(kind: str) -> None:
    assert f"\n  {kind} " in topic_text("faults")


@pytest.mark.parametrize("model", EXAMPLES)
def test_every_timing_model_is_told_of(model: str) -> None:
    assert f"{model}:" in topic_text("timing")


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_told_of(name: str) -> None:
    assert name in topic_text("timing")


def test_the_examples_are_right() -> None:
    for fault in ("corrupt:op=sha256,every=100", "lose:p=0.01,count=3"):
        assert fault in topic_text("faults")
        assert parse_faults(fault)
    for timing in ("preset:qat-dh895xcc", "lognormal:50us,0.3", "fixed:10us+fixed:40us"):
        assert timing in topic_text("timing")
        assert parse_timing(timing)


def test_every_event_of_a_trace_is_told_of() -> None:
    for event, what in EVENTS.items():
        assert re.search(rf"^  {re.escape(event)} +{re.escape(what)}$", topic_text("trace"), re.MULTILINE)


@pytest.mark.parametrize(("command", "topics"), [("run", ("timing", "faults", "trace")), ("inject", ("faults",))])
def test_the_help_of_a_command_names_its_topics(cli: Cli, command: str, topics: tuple[str, ...]) -> None:
    text = " ".join(cli(command, "--help").text.split())
    for topic in topics:
        assert f"simaccel help {topic}" in text
