"""Rates, arrivals and mixes: what they give, and the one line that a wrong one gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.errors import UsageError
from sim.randomness import Randomness
from simaccel.load import (
    HANDSHAKES,
    Arrivals,
    Bursts,
    Constant,
    Poisson,
    Step,
    TraceArrivals,
    format_rate,
    parse_arrivals,
    parse_handshake,
    parse_mix,
    parse_rate,
)

COUNT = 20_000


def times(arrivals: Arrivals, count: int = COUNT, seed: int = 1) -> list[int]:
    found: list[int] = arrivals.times_ns(count, Randomness(seed).stream("arrivals")).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "per_s", "shown"),
    [
        ("800/s", 800, "800/s"),
        ("50k/s", 50_000, "50k/s"),
        (" 1.5 M/s ", 1_500_000, "1.5M/s"),
        ("0.25/s", 0.25, "0.25/s"),
        ("1G/s", 1e9, "1G/s"),
    ],
)
def test_rates(text: str, per_s: float, shown: str) -> None:
    assert parse_rate(text) == per_s
    assert format_rate(per_s) == shown


def test_poisson_has_its_rate_and_gaps_without_a_memory() -> None:
    gaps = np.diff(times(Poisson(10_000)))
    assert gaps.mean() == pytest.approx(100_000, rel=0.03)
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.03)


def test_constant_is_exact_after_any_number() -> None:
    assert times(Constant(3), 3_000_000)[2_999_999::3_000_000] == [10**15]
    assert times(Constant(3), 4) == [333_333_333, 666_666_667, 1_000_000_000, 1_333_333_333]


def test_bursts_are_silent_while_they_are_off_and_keep_the_mean_rate() -> None:
    bursts = Bursts(10_000, 1_000_000, 3_000_000)
    found = times(bursts)
    assert all(time_ns % 4_000_000 < 1_000_000 for time_ns in found)
    assert COUNT / found[-1] * 1e9 == pytest.approx(10_000, rel=0.03)
    assert bursts.peak_per_s == 40_000


def test_arrivals_of_a_trace_begin_at_zero(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.csv"
    path.write_text("when;who\n1700000000.000001;a\n1700000000.000001;b\n1700000001.5;c\n")
    arrivals = parse_arrivals(f"csv:{path},column=when,unit=s", None)
    assert times(arrivals) == [0, 0, 1_499_999_000]
    assert times(arrivals, 2) == [0, 0]
    assert arrivals.rate_per_s == pytest.approx(2 / 1.499999)


@pytest.mark.parametrize("text", ["poisson", "constant", "bursts:10us,90us"])
def test_equal_seeds_give_equal_arrivals_in_order(text: str) -> None:
    arrivals = parse_arrivals(text, 12_345)
    assert times(arrivals) == times(arrivals) == sorted(times(arrivals))
    assert times(arrivals, 10) == times(arrivals)[:10]
    assert text == "constant" or times(arrivals, seed=2) != times(arrivals)


def test_a_mix_comes_in_its_proportions() -> None:
    mix = parse_mix("rsa-sign=1, aes-gcm:1kB = 20, tls13-rsa2048 = 4")
    kinds = Counter(mix.draw(COUNT, Randomness(1).stream("mix")))
    assert [kinds[number] / COUNT for number in range(3)] == pytest.approx([1 / 25, 20 / 25, 4 / 25], rel=0.1)
    assert mix.shares() == {
        Step("rsa-sign", 256): 1 / 25,
        Step("aes-gcm-encrypt", 1_000): 20 / 25,
        Step("x25519", 256): 4 / 25,
        Step("rsa-sign-pss", 256): 4 / 25,
    }
    assert mix.spec == "rsa-sign=1,aes-gcm-encrypt:1000B=20,tls13-rsa2048=4"
    assert parse_mix(mix.spec) == mix


def test_handshakes_are_sequences() -> None:
    for name, handshake in HANDSHAKES.items():
        assert parse_handshake(name).transactions == (handshake,)
        assert len(handshake.steps) == 2
    (own,) = parse_handshake("x25519+rsa-sign+aes-gcm:100B").transactions
    assert own.steps == (Step("x25519", 256), Step("rsa-sign", 256), Step("aes-gcm-encrypt", 100))


def arrivals_csv(folder: Path, text: str) -> Arrivals:
    path = folder / "a.csv"
    path.write_text(text)
    return TraceArrivals.load(path)


@pytest.mark.parametrize(
    ("call", "value", "cure"),
    [
        (lambda _: parse_rate("50k"), "'50k'", "such as 800/s"),
        (lambda _: parse_rate("-5/s"), "'-5/s'", "such as 800/s"),
        (lambda _: parse_rate("0/s"), "rate 0/s", "more than 0/s"),
        (lambda _: parse_rate("2G/s"), "rate 2G/s", "at most 1G/s"),
        (lambda _: Poisson(float("nan")), "nan", "more than 0/s"),
        (lambda _: parse_arrivals("gamma", 1.0), "'gamma'", "use one of poisson, constant"),
        (lambda _: parse_arrivals("poisson", None), "'poisson' without a rate", "such as 50k/s"),
        (lambda _: parse_arrivals("bursts", 1.0), "'bursts'", "bursts:10ms,90ms"),
        (lambda _: parse_arrivals("bursts:1ms", 1.0), "'bursts:1ms'", "on and off"),
        (lambda _: parse_arrivals("bursts:0ms,1ms", 1.0), "on for 0ns", "use more"),
        (lambda _: parse_arrivals("constant:5", 1.0), "'constant:5'", "use one of poisson"),
        (lambda _: parse_arrivals("csv:x.csv", 5.0), "rate of 5/s", "leave one out"),
        (lambda _: parse_arrivals("csv:,unit=s", None), "'csv:,unit=s'", "csv:PATH,column=NAME,unit=s"),
        (lambda path: arrivals_csv(path, "t_s\n1\n3\n2\n"), "line 4: 2s", "sort the rows by 't_s'"),
        (lambda path: arrivals_csv(path, "t_s\n1\n"), "a.csv", "two or more"),
        (lambda path: arrivals_csv(path, "t_s\n1\n\n,\n"), "line 4", "fill the hole"),
        (
            lambda _: Poisson(0.0001).times_ns(1_000_000, Randomness(1).stream("a")),
            "1,000,000 arrivals",
            "a higher rate",
        ),
        (lambda _: parse_mix(""), "mix ''", "it is empty"),
        (lambda _: parse_mix("rsa-sign=1,,x25519=1"), "two commas", "write rsa-sign=1"),
        (lambda _: parse_mix("rsa-sign=0"), "rsa-sign=0", "at least one"),
        (lambda _: parse_mix("rsa-sign=-1"), "'-1'", "0 or more"),
        (lambda _: parse_mix("rsa-sign=many"), "'many'", "0 or more"),
        (lambda _: parse_mix("rsa-sing=1"), "'rsa-sing'", "did you mean rsa-sign?"),
        (lambda _: parse_mix("aes-gcm:1xB=1"), "'1xB'", "aes-gcm:1kB"),
        (lambda _: parse_mix("x25519,x25519=2"), "x25519 is there twice", "add its weights"),
        (lambda _: parse_handshake("tls13-rsa"), "'tls13-rsa'", "did you mean tls13-rsa2048"),
        (lambda _: parse_handshake("x25519=1"), "'x25519=1'", "a mix has weights"),
    ],
)
def test_bad_input(tmp_path: Path, call: Callable[[Path], object], value: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        call(tmp_path)
    assert value in str(caught.value)
    assert cure in str(caught.value)
    assert "\n" not in str(caught.value)
