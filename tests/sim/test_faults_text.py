"""Fault rules as text: what is read, that it is written as it was read, and one line for everything else."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import UsageError, When, parse_faults
from sim.faults import (
    KINDS,
    Corrupt,
    Delay,
    Duplicate,
    EarlyWake,
    Fail,
    Hold,
    Lose,
    LoseInterrupt,
    PartialBatch,
    Reject,
    Remove,
    Reorder,
    Reset,
    SpuriousWake,
    StallUnit,
    StickDoorbell,
    Verdict,
    format_fault,
)
from sim.timing.quantities import MAX_NS

NS = st.integers(0, MAX_NS)
MANY = st.integers(1, 10**12)
VERDICTS: dict[type[Verdict], st.SearchStrategy[Any]] = {
    Fail: st.builds(Fail, st.text("abcdefghijklmnopqrstuvwxyz-:", min_size=1)),
    Corrupt: st.builds(
        Corrupt,
        st.none() | st.lists(st.integers(-(10**6), 10**6), min_size=1).map(tuple),
        st.none() | st.integers(1, 255),
    ),
    Lose: st.just(Lose()),
    Hold: st.just(Hold()),
    Delay: st.builds(Delay, NS),
    Reorder: st.builds(Reorder, MANY, NS),
    Duplicate: st.builds(Duplicate, NS),
    SpuriousWake: st.builds(SpuriousWake, NS),
    EarlyWake: st.builds(EarlyWake, NS),
    LoseInterrupt: st.just(LoseInterrupt()),
    StickDoorbell: st.builds(StickDoorbell, MANY),
    PartialBatch: st.builds(PartialBatch, NS),
    Reject: st.builds(Reject, st.booleans()),
    StallUnit: st.builds(StallUnit, NS, st.none() | st.integers(0, 100)),
    Reset: st.builds(Reset, NS),
    Remove: st.builds(Remove, NS),
}


@st.composite
def rules(draw: st.DrawFn) -> When:
    nth, every = draw(st.sampled_from([(None, None), (1, None), (None, 7)]))
    from_ns = draw(st.integers(0, 10**9))
    return When(
        draw(st.one_of(*VERDICTS.values())),
        op=draw(st.none() | st.sampled_from(["sha256", "aes-gcm-encrypt"])),
        session=draw(st.none() | MANY),
        nth=nth,
        every=every,
        probability=draw(st.none() | st.floats(0, 1)),
        depth=draw(st.none() | MANY),
        from_ns=from_ns,
        until_ns=draw(st.none() | st.integers(from_ns + 1, MAX_NS)),
        count=draw(st.none() | MANY),
    )


def test_every_kind_is_tried_here() -> None:
    assert set(VERDICTS) == set(KINDS.values())


@given(rules())
def test_what_is_written_is_read_as_the_same_rule(rule: When) -> None:
    assert parse_faults(format_fault(rule)) == [rule]


@given(st.lists(rules(), min_size=1, max_size=4))
def test_several_rules_in_one_text(several: list[When]) -> None:
    assert parse_faults(" ; ".join(map(format_fault, several))) == several


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_alone_is_a_rule_for_every_request(kind: str) -> None:
    assert parse_faults(kind) == [When(KINDS[kind]())]
    assert format_fault(When(KINDS[kind]())) == kind


def test_the_example_of_the_documentation() -> None:
    assert parse_faults("corrupt:op=sha256,every=100") == [When(Corrupt(), op="sha256", every=100)]
    assert parse_faults(" corrupt : bytes=0 + -1 , bits = 0x80 ") == [When(Corrupt((0, -1), 0x80))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no fault ''"),
        ("fial", "did you mean fail"),
        ("fail:", "nothing after the colon"),
        ("fail;", "no fault ''"),
        ("fail:nth", "write KEY=VALUE"),
        ("fail:nth=", "write KEY=VALUE"),
        ("fail:=1", "write KEY=VALUE"),
        ("fail:nth=1,,count=1", "write KEY=VALUE"),
        ("fail:nth=1,nth=2", "nth is given twice"),
        ("fail:by=1ms", "fail has no 'by'"),
        ("fail:nth=x", "nth=x: use a whole number"),
        ("fail:nth=-1", "nth -1"),
        ("fail:nth=" + "9" * 5_000, "18 digits"),
        ("fail:nth=1,every=2", "use one of the two"),
        ("fail:p=2", "probability 2"),
        ("fail:p=-1", "p '-1'"),
        ("delay:by=-1ms", "by: duration '-1ms'"),
        ("delay:by=5", "by: duration '5'"),
        ("corrupt:bits=0", "mask 0"),
        ("corrupt:bits=256", "mask 256"),
        ("corrupt:bits=0xfff", "bits=0xfff"),
        ("corrupt:bytes=a", "bytes=a"),
        ("corrupt:bytes=1++2", "bytes="),
        ("reject:as=maybe", "use eagain or fatal"),
        ("stick-doorbell:rings=0", "rings 0"),
        ("reorder:past=0", "past 0"),
        ("stall:unit=-1", "unit -1"),
        ("fail:from=2us,until=1us", "until must be later"),
        ("fail:until=0s", "until must be later"),
    ],
)
def test_anything_else_is_told_in_one_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as told:
        parse_faults(text)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


@given(st.text(max_size=40) | st.text("abcdefhilnorstu:;,=+-0123456789", max_size=40))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(UsageError):
        for rule in parse_faults(text):
            assert parse_faults(format_fault(rule)) == [rule]


@pytest.mark.parametrize(
    ("made", "values"),
    [
        (Fail, {"status": "two words"}),
        (Fail, {"status": ""}),
        (Corrupt, {"offsets": ()}),
        (Corrupt, {"offsets": [1]}),
        (Corrupt, {"mask": 0}),
        (Delay, {"by_ns": -1}),
        (Delay, {"by_ns": 1.5}),
        (Reorder, {"past": 0}),
        (Reorder, {"within_ns": -1}),
        (Duplicate, {"after_ns": -1}),
        (SpuriousWake, {"after_ns": True}),
        (EarlyWake, {"by_ns": -1}),
        (StickDoorbell, {"rings": 0}),
        (PartialBatch, {"for_ns": -1}),
        (Reject, {"fatal": 1}),
        (StallUnit, {"for_ns": -1}),
        (StallUnit, {"unit": -1}),
        (Reset, {"after_ns": -1}),
        (Remove, {"after_ns": MAX_NS + 1}),
    ],
)
def test_a_verdict_that_can_not_be(made: type[Verdict], values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        made(**values)
