"""A plan as text for people, and its picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sim.timing.provenance import PROVENANCE
from simaccel.load.cards import Card
from simaccel.load.planning import QAT_ENGINE_IN_FLIGHT, Plan, Wish
from simaccel.load.rates import format_rate

BAR = 40


def plan_lines(wish: Wish, plan: Plan) -> Iterator[str]:
    """What `simaccel plan` prints."""
    card = wish.card
    many = "card" if plan.cards == 1 else "cards"
    yield f"{wish.arrivals.spec} of {wish.mix.spec}, p99 at most {_time(plan.p99_limit_ns)}"
    yield f"card       {card.timing.spec}, {card.units} units"
    yield f"cards      {plan.cards} {many}, utilisation {plan.utilisation:.0%}"
    yield f"p99        {_time(plan.p99_ns)}, mean {_time(plan.mean_ns)}; {_time(plan.bare_p99_ns)} without any waiting"
    yield f"binds      {plan.binds}: {plan.because}"
    yield f"in flight  {plan.in_flight_mean:,.0f} on average, {plan.in_flight_most:,} at most{_note(wish, plan)}"
    given = "as given" if wish.depth_is_given else "so that no ring is ever full"
    yield f"depth      {plan.depth:,} slots a ring, {given}"
    yield f"one fails  {plan.without_one}; with {plan.cards_n_plus_1} cards the p99 holds without one"
    yield f"up to      {format_rate(plan.most_per_s)} at this p99; the knee is at {format_rate(plan.knee_per_s)}"
    yield ""
    yield "      rate   busy       mean        p99"
    longest = max(point.p99_ns for point in plan.curve)
    for point in plan.curve:
        bar = "#" * round(BAR * point.p99_ns / longest)
        mark = "  <- knee" if point.rate_per_s == plan.knee_per_s else ""
        yield (
            f"{format_rate(point.rate_per_s):>10}  {point.utilisation:5.0%} {_time(point.mean_ns):>10} "
            f"{_time(point.p99_ns):>10}  {bar}{mark}"
        )
    yield ""
    yield from rests_on(card)
    yield "This is a model. A real card has limits that are not in it: PCIe, the host's own work, its firmware."


def _note(wish: Wish, plan: Plan) -> str:
    if wish.in_flight is not None:
        return f", of {wish.in_flight} that are allowed"
    if plan.in_flight_most > QAT_ENGINE_IN_FLIGHT:
        return f"; QAT_Engine's default of {QAT_ENGINE_IN_FLIGHT} a process would bind: see --in-flight"
    return ""


def rests_on(card: Card) -> Iterator[str]:
    """Where the card's times come from."""
    found = PROVENANCE.get(card.timing.preset or "")
    if found is None:
        yield "rests on   the timing model that was given; whether a card is like that is not known here"
        return
    yield f"rests on   {found.card}: {found.source}"
    yield f"published  {found.published}"
    yield f"fitted     {found.fitted}"
    yield f"guessed    {found.guessed}"


def _time(time_ns: float) -> str:
    for unit, scale in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if time_ns >= scale:
            return f"{time_ns / scale:.3g} {unit}"
    return f"{time_ns:.0f} ns"


def draw_plan(wish: Wish, plan: Plan, target: Path) -> None:
    """The p99 over the load with its knee, the limit and the rate asked for. ImportError without matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "simaccel"
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axis: Any = figure.subplots()
    rates = [point.rate_per_s / 1e3 for point in plan.curve]
    for name, values, style in (
        ("p99", [point.p99_ns / 1e6 for point in plan.curve], "-o"),
        ("mean", [point.mean_ns / 1e6 for point in plan.curve], "--"),
    ):
        axis.plot(rates, values, style, label=name, color="#0072b2", markersize=4)
    axis.axhline(plan.p99_limit_ns / 1e6, color="#d55e00", linestyle=":", label="limit")
    axis.axvline(plan.rate_per_s / 1e3, color="#777777", linestyle=":", label="asked for")
    knee = next(point for point in plan.curve if point.rate_per_s == plan.knee_per_s)
    axis.plot([knee.rate_per_s / 1e3], [knee.p99_ns / 1e6], "D", color="#009e73", label="knee")
    axis.set_xlabel("transactions a second, thousands")
    axis.set_ylabel("latency, ms")
    axis.set_yscale("log")
    many = "card" if plan.cards == 1 else "cards"
    axis.set_title(f"{plan.cards} {many} of {wish.card.timing.spec}: {wish.mix.spec}")
    axis.grid(alpha=0.25)
    axis.legend(frameon=False)
    figure.savefig(target, bbox_inches="tight", metadata={"Date": None} if target.suffix == ".svg" else None)
