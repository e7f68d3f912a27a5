"""The grid of a sweep: every combination of its axes is a cell, and each cell is one simulated run.

A cell is text and whole numbers, so it means the same in every process and on every machine, and `run_cell` needs
nothing else. Equal cells give equal rows, to the bit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from typing import Any

from sim.errors import UsageError
from simaccel.load.arrivals import parse_arrivals
from simaccel.load.cards import Card
from simaccel.load.mix import parse_handshake, parse_mix
from simaccel.load.rates import parse_rate
from simaccel.load.simulation import simulate

MOST_CELLS = 1_000_000
AXES = ("latency", "rate", "cards", "units", "depth", "in_flight", "policy", "seed")
"""What varies. The last of these varies fastest."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cell:
    """One run."""

    number: int
    latency: str
    rate: str
    cards: int
    units: int | None
    depth: int
    in_flight: int | None
    policy: str
    seed: int
    arrivals: str
    mix: str
    count: int
    warm_up: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def grid(axes: Mapping[str, Sequence[Any]], **same: Any) -> list[Cell]:
    """All cells, in order; `same` are the fields that do not vary. Raises UsageError for a wrong value."""
    size = 1
    for name in AXES:
        if not axes[name]:
            raise UsageError(f"sweep without a {name.replace('_', ' ')}: give at least one")
        if len(set(axes[name])) != len(axes[name]):
            raise UsageError(f"sweep with {name.replace('_', ' ')} {axes[name]}: one is there twice; take it out")
        size *= len(axes[name])
    if size > MOST_CELLS:
        raise UsageError(f"sweep of {size:,} cells: use at most {MOST_CELLS:,}; give fewer values")
    cells = [
        Cell(number, **dict(zip(AXES, values, strict=True)), **same)
        for number, values in enumerate(product(*(axes[name] for name in AXES)))
    ]
    # Check one cell for each value, so that a wrong value is found now and not after hours of work.
    seen: set[tuple[str, Any]] = set()
    for cell in cells:
        new = {(name, getattr(cell, name)) for name in AXES if name != "seed"} - seen
        if new:
            seen |= new
            _parts(cell)
    return cells


def _parts(cell: Cell) -> tuple[Any, Any, Card]:
    mix = parse_mix(cell.mix) if "=" in cell.mix or "," in cell.mix else parse_handshake(cell.mix)
    card = Card.of(cell.latency, cell.units, cell.depth)
    return parse_arrivals(cell.arrivals, parse_rate(cell.rate)), mix, card


def run_cell(cell: Cell) -> Row:
    """The row of one cell. If cards or application can't bear the load, its status is `unstable`, without figures."""
    row: Row = cell.to_dict()
    arrivals, mix, card = _parts(cell)
    row["units"] = card.units
    try:
        found = simulate(
            arrivals,
            mix,
            card,
            count=cell.count,
            cards=cell.cards,
            policy=cell.policy,
            in_flight=cell.in_flight,
            seed=cell.seed,
            warm_up=cell.warm_up,
        )
    except UsageError:
        return {**row, "status": "unstable", **dict.fromkeys(FIGURES)}
    figures = (
        found.utilisation,
        found.rate_per_s,
        found.mean_ns,
        found.total.p50_ns,
        found.total.p99_ns,
        found.total.p999_ns,
        found.wait_mean_ns,
        found.mean_inside,
        found.most_in_flight,
        found.delayed,
        found.operations,
    )
    return {**row, "status": "ok", **dict(zip(FIGURES, figures, strict=True))}


def run_cells(cells: Sequence[Cell]) -> list[Row]:
    """The rows of a batch. One call is one task of a worker."""
    return [run_cell(cell) for cell in cells]


FIGURES = (
    *("utilisation", "rate_per_s", "mean_ns", "p50_ns", "p99_ns", "p999_ns"),
    *("wait_mean_ns", "mean_inside", "most_in_flight", "delayed", "operations"),
)
COLUMNS = (*(field.name for field in fields(Cell)), "status", *FIGURES)
"""The fields of a row, in this order."""
