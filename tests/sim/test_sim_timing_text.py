"""Timing as text: quantities, the grammar, and every bad input refused in one line with its value and the cure."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UsageError
from sim.timing import (
    INSTANT,
    Exponential,
    Fixed,
    Lognormal,
    Model,
    PerByte,
    PerOperation,
    Recorded,
    Tail,
    Timing,
    Uniform,
    format_duration_ns,
    parse_duration_ns,
    parse_timing,
)
from sim.timing.quantities import MAX_NS, format_bandwidth, format_number, parse_bandwidth, parse_number
from tests.sim.sim_timing_strategies import DURATIONS, PARTS


@pytest.mark.parametrize(
    ("text", "duration_ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("50us", 50_000),
        ("1.5ms", 1_500_000),
        (".5us", 500),
        ("2s", 2_000_000_000),
        ("0.000000001s", 1),
        (" 10 us ", 10_000),
        ("9223372036854775807ns", MAX_NS),
    ],
)
def test_durations(text: str, duration_ns: int) -> None:
    assert parse_duration_ns(text) == duration_ns


@pytest.mark.parametrize(
    "text",
    ["", "50", "us", "-5us", "+5us", "5 m", "5US", "1e3us", "1_000us", "nanus", "infs", "5us5us", "1.us", "٣us"],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="use a number, 0 or more, and a unit of s, ms, us, ns, such as 50us"):
        parse_duration_ns(text)


@pytest.mark.parametrize("text", [None, 50, "0.5ns", "9223372036854775808ns", "1" * 5000 + "ns"])
def test_bad_durations_are_refused(text: Any) -> None:
    with pytest.raises(UsageError) as caught:
        parse_duration_ns(text)
    assert repr(text)[:20] in str(caught.value)
    assert ": use " in str(caught.value)
    assert "\n" not in str(caught.value)


@given(DURATIONS)
def test_durations_survive_text(duration_ns: int) -> None:
    assert parse_duration_ns(format_duration_ns(duration_ns)) == duration_ns


@given(st.integers(1, 10**15), st.floats(0, 1e15))
def test_bandwidths_and_numbers_survive_text(bytes_per_s: int, number: float) -> None:
    assert parse_bandwidth(format_bandwidth(bytes_per_s)) == bytes_per_s
    if len(format_number(number)) <= 30:
        assert parse_number("x", format_number(number)) == number


def test_bandwidths_are_in_powers_of_ten_and_bits_are_eighths() -> None:
    assert parse_bandwidth("2GB/s") == 2_000_000_000
    assert parse_bandwidth("1.5kB/s") == 1_500
    assert parse_bandwidth("10Gbit/s") == 1_250_000_000
    for bad in ("0B/s", "0.5B/s", "1KB/s", "2GB", "-1B/s", "1bit/s"):
        with pytest.raises(UsageError, match="bandwidth"):
            parse_bandwidth(bad)


@given(PARTS, PARTS)
def test_every_timing_survives_its_text(service: Model, latency: Model) -> None:
    timing = Timing(service, latency)
    assert parse_timing(timing.spec) == timing
    assert parse_timing(f" {timing.spec} ").spec == timing.spec


@pytest.mark.parametrize(
    ("text", "timing"),
    [
        ("none", INSTANT),
        (" none ", INSTANT),
        ("fixed:50us", Timing(Fixed(50_000))),
        ("fixed:50us+fixed:10us", Timing(Fixed(50_000), Fixed(10_000))),
        ("fixed:0s+fixed:10us", Timing(latency=Fixed(10_000))),
        ("uniform:10us,90us", Timing(Uniform(10_000, 90_000))),
        ("lognormal:50us,0.3", Timing(Lognormal(50_000, 0.3))),
        ("bytes:5us,2GB/s", Timing(PerByte(5_000, 2_000_000_000))),
        ("exponential:100us", Timing(Exponential(100_000))),
        ("tail:p=0.01,x=20,fixed:50us", Timing(Tail(0.01, Fixed(50_000), factor=20))),
        ("tail:p=0.01,add=5ms,uniform:1us,2us", Timing(Tail(0.01, Uniform(1_000, 2_000), add_ns=5_000_000))),
        ("tail:p=.1,x=2,tail:p=.01,x=9,fixed:1us", Timing(Tail(0.1, Tail(0.01, Fixed(1_000), 9), 2))),
        ("values:1us,2us", Timing(Recorded((1_000, 2_000)))),
        ("per-op:*=fixed:1us", Timing(PerOperation({}, Fixed(1_000)))),
        (
            " per-op: rsa-sign = fixed:1ms ; * = uniform: 1us , 2us + bytes:1us,1GB/s ",
            Timing(PerOperation({"rsa-sign": Fixed(1_000_000)}, Uniform(1_000, 2_000)), PerByte(1_000, 10**9)),
        ),
    ],
)
def test_the_grammar(text: str, timing: Timing) -> None:
    assert parse_timing(text) == timing


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no model ''"),
        ("none+fixed:1us", "'none' stands alone: write fixed:0s"),
        ("none:", "'none' stands alone"),
        ("fixd:50us", "no model 'fixd': did you mean fixed?"),
        ("magic:50us", "no model 'magic': use none or one of fixed, uniform"),
        ("50us", "no model '50us'"),
        ("fixed", "'fixed' without values: write fixed:50us"),
        ("tail", "'tail' without values: write tail:p=0.01"),
        ("preset", "'preset' without values: write preset:"),
        ("fixed:", "duration ''"),
        ("fixed:-5us", "duration '-5us': use a number, 0 or more"),
        ("fixed:fast", "duration 'fast'"),
        ("fixed:5us,6us", "fixed with 2 value(s): it takes 1, as fixed:50us"),
        ("uniform:5us", "uniform with 1 value(s): it takes 2, as uniform:10us,90us"),
        ("uniform:90us,10us", "give the lower first, 10us,90us"),
        ("lognormal:50us,-0.3", "sigma '-0.3': use a decimal number, 0 or more"),
        ("lognormal:50us,11", "sigma 11.0: use a number from 0 to 10"),
        ("lognormal:50us,nan", "sigma 'nan'"),
        ("lognormal:0.3,50us", "duration '0.3'"),
        ("bytes:5us,0B/s", "bandwidth '0B/s'"),
        ("bytes:2GB/s,5us", "duration '2GB/s'"),
        ("tail:fixed:50us,p=0.01,x=20", "give p=, then x= or add=, then a model"),
        ("tail:p=0.01,x=20", "give p=, then x= or add=, then a model"),
        ("tail:p=1.1,x=2,fixed:1us", "p 1.1: use a number from 0 to 1"),
        ("tail:p=,x=2,fixed:1us", "p ''"),
        ("tail:p=0.1,x=-2,fixed:1us", "x '-2'"),
        ("tail:p=0.1,x=2,preset:qat-8970", "'preset' can't stand inside another model"),
        ("tail:p=0.1,x=2,per-op:*=fixed:1us", "'per-op' can't stand inside another model"),
        ("tail:p=0,x=1," * 40 + "fixed:1us", "more than 16 models inside each other"),
        ("values:", "duration ''"),
        ("trace:", "trace without a path: write trace:durations.txt"),
        ("per-op:echo=fixed:1us", "per-op without a default: add a row"),
        ("per-op:echo", "per-op row 'echo': write KERNEL=MODEL"),
        ("per-op:=fixed:1us;*=fixed:1us", "per-op row '=fixed:1us'"),
        ("per-op:*=fixed:1us;", "per-op row ''"),
        ("per-op:a=fixed:1us;a=fixed:2us;*=fixed:1us", "per-op names 'a' twice: keep one"),
        ("fixed:1us+fixed:1us+fixed:1us", "has 3 parts: give a service, or a service and a latency"),
        ("fixed:1us+", "no model ''"),
        ("preset:qat-dh895xc", "did you mean qat-dh895xcc?"),
        ("preset:", "no preset '': use one of"),
        (None, "timing None: give text, such as fixed:50us"),
        (5, "timing 5: give text"),
    ],
)
def test_bad_text_is_refused_with_value_and_cure(text: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_timing(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(st.sampled_from("fixedtailpr-o:=,;+*%0.19usmnGB/ "), max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        timing = parse_timing(text)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either end is fine
    else:
        assert parse_timing(timing.spec) == timing
