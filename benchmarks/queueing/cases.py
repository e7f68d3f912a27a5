"""The textbook cases: a load, a card, and what theory says of them. The tests run them in short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.timing import Exponential
from simaccel.load import Card, Closed, LoadResult, Poisson, parse_mix, simulate
from simaccel.load import formulas as theory

SERVICE = 100.0
"""The mean service of all cases, in us."""
ENDLESS = 1 << 20
"""Slots, where the book has no limit."""


@dataclass(frozen=True, slots=True)
class Case:
    """One row: a system and the figures that are compared, in us or as a share."""

    name: str
    system: str
    run: Callable[[int, int], LoadResult]
    """Called with the number of operations and the seed."""
    wanted: dict[str, float]
    """What theory says, by figure."""

    def found(self, result: LoadResult) -> dict[str, float]:
        """The same figures, as the simulation has them."""
        whole = result.transactions + result.lost
        figures = {
            "mean": result.mean_ns / 1e3,
            "p99": result.total.p99_ns / 1e3,
            "lost": result.lost / whole,
            "EAGAIN": result.delayed / result.operations,
            "rate": result.rate_per_s / 1e6,
        }
        return {name: figures[name] for name in self.wanted}


def _open(
    latency: str, load: float, units: int = 1, depth: int = ENDLESS, **more: Any
) -> Callable[[int, int], LoadResult]:
    card, arrivals, mix = Card.of(latency, units, depth), Poisson(load * units * 1e6 / SERVICE), parse_mix("null=1")
    return lambda count, seed: simulate(arrivals, mix, card, count=count, seed=seed, **more)


def _closed(callers: int, units: int, think_us: int) -> Callable[[int, int], LoadResult]:
    card, arrivals = Card.of("exponential:100us", units, ENDLESS), Closed(callers, Exponential(think_us * 1_000))
    return lambda count, seed: simulate(arrivals, parse_mix("null=1"), card, count=count, seed=seed)


def _cases() -> list[Case]:
    rate = 0.7 / SERVICE
    cases = [
        Case(
            "M/M/1",
            "load 0.7",
            _open("exponential:100us", 0.7),
            {"mean": theory.mm1_latency(rate, SERVICE), "p99": theory.mm1_latency_below(0.99, rate, SERVICE)},
        )
    ]
    for servers in (4, 20):
        many = 0.8 * servers / SERVICE
        cases.append(
            Case(
                f"M/M/{servers}",
                "load 0.8",
                _open("exponential:100us", 0.8, servers),
                {
                    "mean": theory.mmc_latency(servers, many, SERVICE),
                    "p99": theory.mmc_latency_below(0.99, servers, many, SERVICE),
                },
            )
        )
    cases.append(
        Case(
            "M/D/1",
            "load 0.7",
            _open("fixed:100us", 0.7),
            {"mean": theory.md1_latency(rate, SERVICE), "p99": theory.md1_latency_below(0.99, rate, SERVICE)},
        )
    )
    # Uniform has a variance of width**2 / 12. The other is 50 us, and for one in ten 500 us: a mean of 95 us.
    for name, latency, service, variance in (
        ("M/G/1, uniform", "uniform:0us,200us", 100.0, 200**2 / 12),
        ("M/G/1, one in ten is long", "tail:p=0.1,x=10,fixed:50us", 95.0, 0.9 * 50**2 + 0.1 * 500**2 - 95**2),
    ):
        mean = theory.mg1_latency(rate, service, variance / service**2)
        cases.append(Case(name, "7,000/s", _open(latency, 0.7), {"mean": mean}))
    lost, mean = theory.mmck(2, 4, 0.9 * 2 / SERVICE, SERVICE)
    cases.append(
        Case(
            "M/M/2/4, loss",
            "load 0.9",
            _open("exponential:100us", 0.9, 2, 4, when_full="lose"),
            {"lost": lost, "mean": mean},
        )
    )
    many = 0.7 * 4 / SERVICE
    cases.append(
        Case(
            "M/M/4, 8 slots, EAGAIN",
            "load 0.7",
            _open("exponential:100us", 0.7, 4, 8),
            {
                "EAGAIN": theory.mmc_share_finding(4, 8, many, SERVICE),
                "mean": theory.mmc_latency(4, many, SERVICE),
            },
        )
    )
    rate_found, mean = theory.repairman(16, 2, 500.0, SERVICE)
    cases.append(
        Case(
            "machine repairman",
            "16 callers, 2 units, think 500 us",
            _closed(16, 2, 500),
            {"rate": rate_found, "mean": mean},
        )
    )
    return cases


CASES = _cases()
