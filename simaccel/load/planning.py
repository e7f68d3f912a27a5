"""How many cards a load needs: a search over simulated runs.

A number of cards keeps the p99 if the p99 is not above the limit. More cards never make latencies longer. So doubling
and bisection find the least number that keeps it. They begin at the least number whose units can do the work at all.
Every run has the same seed, so all numbers of cards meet the same arrivals, and chance does not mislead the search. The
figures in the plan come from a longer run with another seed.

One constraint binds: with one card fewer it would not hold. It is the rate, the ring, the application's limit of
operations in flight, or else the latency.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sim.errors import UsageError
from sim.timing import format_duration_ns
from simaccel.load.arrivals import AT_RATE, Arrivals, AtRate
from simaccel.load.cards import Card
from simaccel.load.mix import Mix
from simaccel.load.rates import format_rate
from simaccel.load.result import LoadResult
from simaccel.load.simulation import check_stable, simulate

COUNT, LONGER = 60_000, 3
"""How many transactions a run has during the search. The last run is three times as long."""
WARM_UP = 0.1
MOST_CARDS = 4_096
QAT_ENGINE_IN_FLIGHT = 64
"""The most that QAT_Engine has in flight by default, in each process."""
LOADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.96, 0.98)
"""The utilisations of the curve."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    arrivals: Arrivals
    mix: Mix
    p99_ns: int
    card: Card
    policy: str
    in_flight: int | None
    seed: int
    depth_is_given: bool
    """Whether the depth was given. If not, the plan says how many slots a ring needs."""
    count: int = COUNT
    """Transactions of a run."""


@dataclass(frozen=True, slots=True)
class Point:
    """The latency at one rate."""

    rate_per_s: float
    utilisation: float
    mean_ns: float
    p99_ns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The answer. Times in ns."""

    cards: int
    rate_per_s: float
    p99_limit_ns: int
    p99_ns: int
    mean_ns: float
    bare_p99_ns: int
    """What the p99 would be if nothing ever had to wait."""
    utilisation: float
    depth: int
    """Slots of a ring: those that were given, or those that are needed so that no ring is ever full."""
    in_flight_mean: float
    in_flight_most: int
    """Operations in flight over all cards, at the worst moment: what the application must allow."""
    binds: str
    """rate, ring, in flight, or latency."""
    because: str
    most_per_s: float
    """The rate up to which these cards keep the p99."""
    without_one: str
    """What happens when one card fails."""
    cards_n_plus_1: int
    """How many cards keep the p99 even without one of them."""
    knee_per_s: float
    """Where load / p99 is greatest (Kleinrock's power): from there on more load costs more latency than it is worth."""
    curve: tuple[Point, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def at_rate(arrivals: Arrivals, rate_per_s: float) -> Arrivals:
    """The same arrivals at another rate. Raises UsageError for recorded ones."""
    if isinstance(arrivals, AtRate):
        return replace(arrivals, rate_per_s=rate_per_s)
    raise UsageError(f"arrivals {arrivals.spec}: a plan needs other rates too; use one of {AT_RATE}")


def plan(wish: Wish) -> Plan:
    """The plan for this wish. Takes some seconds. Raises UsageError if no number of cards is enough."""
    bare_ns = _bare_p99_ns(wish)
    if bare_ns > wish.p99_ns:
        raise UsageError(
            f"p99 {format_duration_ns(wish.p99_ns)}: {wish.mix.spec} takes {format_duration_ns(bare_ns)} even if "
            "nothing has to wait, so no number of cards gives that; use a longer p99 or a faster card"
        )
    _check_in_flight(wish)
    least = _least_by_rate(wish)
    cards = _search(wish, least)
    final = _run(wish, cards, count=LONGER * wish.count, seed=wish.seed + 1)
    curve = _curve(wish, cards)
    binds, because = _binding(wish, cards, least)
    return Plan(
        cards=cards,
        rate_per_s=wish.arrivals.rate_per_s,
        p99_limit_ns=wish.p99_ns,
        p99_ns=final.total.p99_ns,
        mean_ns=final.mean_ns,
        bare_p99_ns=bare_ns,
        utilisation=final.utilisation,
        depth=wish.card.depth if wish.depth_is_given else _power_of_two(final.fullest_ring),
        in_flight_mean=final.operations / final.elapsed_ns * _operation_ns(final),
        in_flight_most=final.most_in_flight,
        binds=binds,
        because=because,
        most_per_s=_most(wish, cards),
        without_one=_without_one(wish, cards),
        cards_n_plus_1=cards + 1,
        knee_per_s=max(curve, key=lambda point: point.rate_per_s / point.p99_ns if point.p99_ns else 0.0).rate_per_s,
        curve=curve,
    )


def _run(
    wish: Wish, cards: int, *, rate: float | None = None, count: int | None = None, seed: int | None = None
) -> LoadResult:
    return simulate(
        wish.arrivals if rate is None else at_rate(wish.arrivals, rate),
        wish.mix,
        wish.card,
        count=count or wish.count,
        cards=cards,
        policy=wish.policy,
        in_flight=wish.in_flight,
        seed=wish.seed if seed is None else seed,
        warm_up=WARM_UP,
    )


def _keeps(wish: Wish, cards: int, rate: float | None = None) -> bool:
    """Whether this many cards keep the p99."""
    try:
        check_stable(wish.arrivals.rate_per_s if rate is None else rate, wish.mix, wish.card, cards, wish.in_flight)
    except UsageError:
        return False
    return _run(wish, cards, rate=rate).total.p99_ns <= wish.p99_ns


def _bare_p99_ns(wish: Wish) -> int:
    """The p99 of transactions that never wait. It is that of a rate so low that two transactions hardly ever meet."""
    alone = (
        at_rate(wish.arrivals, 1e-4 * wish.card.most_per_s(wish.mix)) if wish.card.bare_ns(wish.mix) else wish.arrivals
    )
    card = replace(wish.card, depth=1 << 20)
    return simulate(alone, wish.mix, card, count=max(wish.count // 3, 100), seed=wish.seed).total.p99_ns


def _check_in_flight(wish: Wish) -> None:
    """Raises UsageError if the application's limit makes the rate impossible, whatever the cards."""
    rate, bare_ns = wish.arrivals.rate_per_s, wish.card.bare_ns(wish.mix)
    if wish.in_flight is not None and rate * bare_ns / 1e9 >= wish.in_flight:
        raise UsageError(
            f"rate {format_rate(rate)} with {wish.in_flight} in flight: operations take so long that at most "
            f"{format_rate(wish.in_flight * 1e9 / bare_ns)} are possible with any number of cards; allow more in "
            f"flight (this load needs {rate * bare_ns / 1e9:,.0f} on average), or use a lower rate"
        )


def _least_by_rate(wish: Wish) -> int:
    """The least number of cards whose queue does not grow for ever."""
    most = wish.card.most_per_s(wish.mix)
    least = int(wish.arrivals.rate_per_s / most) + 1 if most < float("inf") else 1
    if least > MOST_CARDS:
        raise UsageError(
            f"rate {format_rate(wish.arrivals.rate_per_s)}: it takes {least:,} cards or more, and a plan goes up to "
            f"{MOST_CARDS:,}; use a lower rate or a faster card"
        )
    return least


def _search(wish: Wish, least: int) -> int:
    """The least number of cards that keeps the p99."""
    low, high = least - 1, least
    while not _keeps(wish, high):
        low, high = high, min(high + max(1, high - least + 1), MOST_CARDS)
        if low == MOST_CARDS:
            why = "" if wish.in_flight is None else f"; with {wish.in_flight} in flight, allow more"
            raise UsageError(
                f"rate {format_rate(wish.arrivals.rate_per_s)} at a p99 of {format_duration_ns(wish.p99_ns)}: "
                f"{MOST_CARDS:,} cards don't keep it{why}; use a lower rate or a longer p99"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _keeps(wish, middle) else (middle, high)
    return high


def _most(wish: Wish, cards: int) -> float:
    """The rate up to which the p99 is kept, to 1 %."""
    low, high = wish.arrivals.rate_per_s, _limit(wish, cards)
    if not _keeps(wish, cards, high * 0.999):
        high *= 0.999
    while high / low > 1.01:
        middle = (low + high) / 2
        low, high = (middle, high) if _keeps(wish, cards, middle) else (low, middle)
    return low


def _limit(wish: Wish, cards: int) -> float:
    most = wish.card.most_per_s(wish.mix) * cards
    if wish.in_flight is not None and (bare_ns := wish.card.bare_ns(wish.mix)):
        most = min(most, wish.in_flight * 1e9 / bare_ns)
    return min(most, 1e9)


def _curve(wish: Wish, cards: int) -> tuple[Point, ...]:
    """The latencies over the load, in rising order."""
    limit = _limit(wish, cards)
    points = []
    for load in LOADS:
        found = _run(wish, cards, rate=load * limit)
        points.append(Point(load * limit, found.utilisation, found.mean_ns, found.total.p99_ns))
    return tuple(points)


def _binding(wish: Wish, cards: int, least: int) -> tuple[str, str]:
    """The constraint that would not hold with one card fewer. For one card, the limit that more load meets first."""
    rate = wish.arrivals.rate_per_s
    fewer = cards - 1
    if not fewer:
        return _binding_more_load(wish)
    units = wish.card.units_per_s(wish.mix) * fewer
    if rate >= units:
        return "rate", f"{_cards(fewer)} can do at most {format_rate(units)}"
    ring = wish.card.ring_per_s(wish.mix) * fewer
    if rate >= ring:
        return "ring", f"the rings of {_cards(fewer)} hold {wish.card.depth * fewer:,} operations: {format_rate(ring)}"
    if wish.in_flight is not None and _keeps(replace(wish, in_flight=None), fewer):
        return "in flight", f"{_cards(fewer)} would do, if more than {wish.in_flight} could be in flight"
    if _keeps(replace(wish, card=replace(wish.card, depth=1 << 20)), fewer):
        return "ring", f"{_cards(fewer)} would do with rings of more than {wish.card.depth} slots"
    return "latency", f"with {_cards(fewer)} the p99 is {_p99_text(wish, fewer)}"


def _binding_more_load(wish: Wish) -> tuple[str, str]:
    most = _most(wish, 1)
    if wish.in_flight is not None and _keeps(replace(wish, in_flight=None), 1, most * 1.05):
        return (
            "in flight",
            f"one card is enough; above {format_rate(most)} the limit of {wish.in_flight} in flight binds",
        )
    if wish.card.units_per_s(wish.mix) < most * 1.03:
        return "rate", f"one card is enough; above {format_rate(most)} its units have no time left"
    return "latency", f"one card is enough; above {format_rate(most)} the p99 is longer"


def _without_one(wish: Wish, cards: int) -> str:
    if cards == 1:
        return "nothing is left: it was the only one"
    rate, most = wish.arrivals.rate_per_s, _limit(wish, cards - 1)
    if rate >= most:
        return (
            f"{_cards(cards - 1)} can't bear the load (at most {format_rate(most)}): the queue grows until one is back"
        )
    return f"the p99 is {_p99_text(wish, cards - 1)}"


def _p99_text(wish: Wish, cards: int) -> str:
    try:
        return format_duration_ns(round(_run(wish, cards).total.p99_ns, -3))
    except UsageError:
        return "without a bound"


def _operation_ns(found: LoadResult) -> float:
    """About how long an operation holds a slot on average: its share of a transaction's latency."""
    return found.mean_ns * found.transactions / max(found.operations, 1)


def _power_of_two(least: int) -> int:
    return 1 << max(1, int(np.ceil(np.log2(max(least, 1)))))


def _cards(count: int) -> str:
    return f"{count} card" if count == 1 else f"{count} cards"
