"""A plan agrees with the closed forms where there are some, and with a brute-force sweep elsewhere, within 5 %."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim.errors import UsageError
from sim.timing import preset, preset_names
from sim.timing.provenance import PROVENANCE
from simaccel.load import Card, Poisson, formulas, parse_mix, planning, simulate
from simaccel.load.planning import Wish, plan
from tests.cli.cli import Cli, child
from tests.cli.conftest import cli
from tests.effort import some

__all__ = ["cli"]

COUNT = 5_000


def wish(**changed: Any) -> Wish:
    made = Wish(
        arrivals=Poisson(30_000),
        mix=parse_mix("null=1"),
        p99_ns=700_000,
        card=Card.of("exponential:100us", 4, 1 << 20),
        policy="least-in-flight",
        in_flight=None,
        seed=1,
        depth_is_given=True,
        count=COUNT,
    )
    return replace(made, **changed)


@pytest.fixture(autouse=True)
def _short_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "LOADS", (0.2, 0.5, 0.8, 0.95))


@pytest.mark.parametrize(("units", "rate", "p99_us"), some([(4, 25_000, 700), (20, 150_000, 520)], 1))
def test_one_card_agrees_with_the_closed_form(units: int, rate: float, p99_us: float) -> None:
    """M/M/c: the p99 at this rate, the utilisation, and the rate up to which the p99 is kept."""
    card = Card.of("exponential:100us", units, 1 << 20)
    found = plan(wish(arrivals=Poisson(rate), card=card, p99_ns=int(p99_us * 1_000), count=15_000))
    assert found.cards == 1
    assert found.utilisation == pytest.approx(rate * 1e-4 / units, rel=0.05)
    assert found.p99_ns / 1e3 == pytest.approx(formulas.mmc_latency_below(0.99, units, rate / 1e6, 100), rel=0.05)
    assert found.mean_ns / 1e3 == pytest.approx(formulas.mmc_latency(units, rate / 1e6, 100), rel=0.05)
    low, high = 0.0, units * 1e-2
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if formulas.mmc_latency_below(0.99, units, middle, 100) < p99_us else (low, middle)
    assert found.most_per_s / 1e6 == pytest.approx(low, rel=0.05)


@pytest.mark.parametrize(
    ("mix", "latency", "units", "rate", "p99_us", "policy", "in_flight"),
    [
        pytest.param(
            *("rsa-sign=1,x25519=1,aes-gcm=20", "preset:qat-8970", 60, 2_500_000, 1_000, "least-in-flight", None),
            marks=pytest.mark.in_ci,
        ),
        pytest.param(
            *("tls13-rsa2048=1", "lognormal:100us,0.6+fixed:20us", 4, 50_000, 900, "least-in-flight", None),
            marks=pytest.mark.in_ci,
        ),
        (
            "x25519=3,rsa-sign=1",
            "per-op:rsa-sign=fixed:400us;*=exponential:30us",
            2,
            80_000,
            900,
            "least-in-flight",
            60,
        ),
    ],
)
def test_it_agrees_with_a_brute_force_sweep(
    mix: str, latency: str, units: int, rate: float, p99_us: float, policy: str, in_flight: int | None
) -> None:
    """Every number of cards, and every rate in steps of 2 %, by runs of another seed."""
    card, load = Card.of(latency, units, 1 << 20), parse_mix(mix)
    asked = wish(
        arrivals=Poisson(rate),
        mix=load,
        card=card,
        p99_ns=int(p99_us * 1_000),
        policy=policy,
        in_flight=in_flight,
        count=3 * COUNT,
    )
    found = plan(asked)

    def p99_us_of(cards: int, at: float) -> float:
        try:
            result = simulate(
                *(Poisson(at), load, card),
                count=2 * COUNT,
                cards=cards,
                policy=policy,
                in_flight=in_flight,
                seed=99,
                warm_up=0.1,
            )
        except UsageError:
            return float("inf")
        return result.total.p99_ns / 1e3

    p99s = {cards: p99_us_of(cards, rate) for cards in range(max(1, found.cards - 2), found.cards + 3)}
    fewest = min(cards for cards, p99 in p99s.items() if p99 <= 1.05 * p99_us)
    most = min(cards for cards, p99 in p99s.items() if p99 <= 0.95 * p99_us)
    assert fewest <= found.cards <= most
    step = rate
    while p99_us_of(found.cards, step * 1.02) <= p99_us:
        step *= 1.02
    assert found.most_per_s == pytest.approx(step, rel=0.05)
    assert found.cards_n_plus_1 == found.cards + 1


@pytest.mark.parametrize(
    ("changed", "binds", "because"),
    [
        ({"arrivals": Poisson(70_000), "p99_ns": 20_000_000}, "rate", "1 card can do at most 40k/s"),
        ({"arrivals": Poisson(36_000)}, "latency", "with 1 card the p99 is "),
        (
            {"card": Card.of("fixed:10us+fixed:900us", 8, 16), "p99_ns": 2_000_000},
            "ring",
            "hold 16 operations: 17.58k/s",
        ),
        (
            {"card": Card.of("fixed:10us+fixed:500us", 8, 16), "p99_ns": 530_000, "arrivals": Poisson(28_000)},
            "ring",
            "rings of more than 16 slots",
        ),
        ({"arrivals": Poisson(10_000)}, "latency", "one card is enough; above "),
    ],
)
def test_it_says_which_constraint_binds(changed: dict[str, Any], binds: str, because: str) -> None:
    found = plan(wish(**changed))
    assert found.binds == binds
    assert because in found.because


def test_the_applications_own_limit_binds_as_qat_engines_does() -> None:
    """One card can do 100k/s, but with 64 in flight of 640 us each only 100k/s can be under way at all."""
    card = Card.of("fixed:10us+fixed:590us", 2, 1 << 20)
    found = plan(wish(card=card, arrivals=Poisson(90_000), p99_ns=1_500_000, in_flight=64))
    assert (found.cards, found.binds) == (1, "in flight")
    assert found.most_per_s < 107_000
    free = plan(wish(card=card, arrivals=Poisson(90_000), p99_ns=1_500_000))
    assert free.most_per_s > 1.5 * found.most_per_s
    assert free.in_flight_most > 64


def test_what_happens_when_one_card_fails() -> None:
    overload = plan(wish(arrivals=Poisson(70_000), p99_ns=20_000_000))
    assert "1 card can't bear the load (at most 40k/s): the queue grows" in overload.without_one
    slower = plan(wish(arrivals=Poisson(38_000)))
    assert slower.cards == 2
    assert slower.without_one.startswith("the p99 is ")
    assert plan(wish(arrivals=Poisson(10_000))).without_one.startswith("nothing is left")


def test_the_curve_rises_and_has_a_knee() -> None:
    found = plan(wish())
    assert [point.p99_ns for point in found.curve] == sorted(point.p99_ns for point in found.curve)
    assert found.knee_per_s in [point.rate_per_s for point in found.curve[1:-1]]


@pytest.mark.parametrize(
    ("changed", "value", "cure"),
    [
        ({"p99_ns": 300_000}, "p99 300us: null=1 takes ", "use a longer p99"),
        ({"in_flight": 2}, "rate 30k/s with 2 in flight", "allow more in flight"),
        ({"arrivals": Poisson(1e9)}, "it takes 25,001 cards or more", "a lower rate or a faster card"),
        ({"in_flight": 4, "p99_ns": 500_000}, "4,096 cards don't keep it", "with 4 in flight, allow more"),
    ],
)
def test_what_no_number_of_cards_gives(changed: dict[str, Any], value: str, cure: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(wish(**changed))
    assert value in str(caught.value)
    assert cure in str(caught.value)


def test_each_preset_has_a_published_figure_and_gives_it() -> None:
    assert sorted(PROVENANCE) == preset_names()
    for name, rests_on in PROVENANCE.items():
        assert rests_on.source
        assert f"{rests_on.rsa_sign_per_s:,.10g}".removesuffix(".0") in rests_on.published
        card = Card.of(preset(name))
        assert card.units_per_s(parse_mix("rsa-sign=1")) == pytest.approx(rests_on.rsa_sign_per_s, rel=1e-3)


def test_the_command(cli: Cli, tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    run = cli(
        *("plan", "--rate", "100k/s", "--p99", "2ms", "--preset", "qat-8970", "--handshake", "tls13-rsa2048"),
        *("--seed", "1", "--count", "3000", "--json", str(target)),
    )
    assert run.code == 0, run.errors
    described = json.loads(target.read_text())
    assert described["cards"] == 3
    assert described["binds"] == "latency"
    for part in (
        "cards      3 cards",
        "<- knee",
        "QAT_Engine issue 93",
        "This is a model.",
        "QAT_Engine's default of 64",
    ):
        assert part in run.text


@pytest.mark.in_ci
def test_the_picture(tmp_path: Path) -> None:
    """In a child, because matplotlib keeps files open."""
    pytest.importorskip("matplotlib")
    target = tmp_path / "plan.svg"
    words = ("plan", "--rate", "10k/s", "--p99", "1ms", "--latency", "fixed:50us", "--mix", "x25519", "--seed", "1")
    run = child(*words, "--count", "1000", "--picture", str(target))
    assert run.code == 0, run.errors
    assert b"</svg>" in target.read_bytes()


ASKED = ("--rate", "10k/s", "--p99", "1ms")
MIX = ("--mix", "x25519")
CARD = ("--latency", "fixed:50us")


@pytest.mark.parametrize(
    ("arguments", "value", "cure"),
    [
        ((*ASKED, *MIX), "give the card", "--preset, such as qat-8970"),
        ((*ASKED, *MIX, *CARD, "--preset", "qat-8970"), "give the card", "either"),
        ((*ASKED, *CARD), "say what arrives", "--handshake tls13-rsa2048"),
        ((*ASKED, *CARD, "--mix", ""), "mix ''", "it is empty"),
        ((*ASKED, *MIX, "--preset", "qat-8971"), "qat-8971", "did you mean qat-8970?"),
        ((*ASKED, *MIX, *CARD, "--count", "10"), "--count 10", "at least 1,000"),
        ((*ASKED, *MIX, *CARD, "--in-flight", "0"), "--in-flight 0", "1 or more"),
        ((*ASKED, *MIX, *CARD, "--arrivals", "csv:x"), "csv:x", "leave one out"),
        ((*ASKED, *MIX, *CARD, "--policy", "best"), "'best'", "use one of"),
        ((*ASKED, *MIX, *CARD, "--picture", "x.pdf"), "x.pdf", ".png or .svg"),
        (("--rate", "10k", "--p99", "1ms", *MIX, *CARD), "'10k'", "such as 800/s"),
        (("--rate", "10k/s", "--p99", "1", *MIX, *CARD), "'1'", "such as 50us"),
        (("--rate", "10k/s", "--p99", "40us", *MIX, *CARD), "p99 40us: x25519=1 takes 50us", "a longer p99"),
        ((*ASKED, *MIX, "--latency", "csv:/no/such"), "/no/such", "No such file"),
        ((*MIX, *CARD), "--rate", "see simaccel plan --help"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, tuple) else None,
)
def test_bad_input(cli: Cli, arguments: tuple[str, ...], value: str, cure: str) -> None:
    run = cli("plan", *arguments)
    assert (run.code, run.out) == (2, b"")
    (line,) = run.errors
    assert value in line
    assert cure in line
