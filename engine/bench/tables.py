"""What was measured, as tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from engine.bench.figure import Figure, Outcome, Row
from engine.bench.rounds import Samples

_REACHED = {True: "[green]yes[/]", False: "[red]no[/]", None: "[yellow]missing[/]"}


def show_outcome(row: Row, outcome: Outcome, console: Console | None = None) -> None:
    """One row, with the times behind it."""
    console = console or wide_console()
    table = Table(title=f"{row.name}: {row.text}", title_justify="left")
    for name in ("figure", "target", "reached", "middle half of the rounds"):
        table.add_column(name)
    for figure in outcome.figures:
        table.add_row(figure.what, target_text(figure), reached_text(figure), spread_text(figure.samples, figure.unit))
    console.print(table)
    for name, samples in outcome.times_ns.items():
        low, high = samples.quartiles
        console.print(
            f"  {name:<34} {samples.median:>10,.0f} ns  ({low:,.0f} to {high:,.0f})  {1e9 / samples.median:>12,.0f}/s"
        )
    for note in outcome.notes:
        console.print(f"  {note}")


def wide_console() -> Console:
    """The terminal; where there is none, wide enough for every table."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def target_text(figure: Figure) -> str:
    """Such as 'at most 2.2x'."""
    return f"{'at least' if figure.at_least else 'at most'} {number_text(figure.target, figure.unit)}"


def reached_text(figure: Figure) -> str:
    """The value and whether it is enough, with rich's markup."""
    value = "" if figure.samples is None else f"{number_text(figure.samples.median, figure.unit)} "
    return value + _REACHED[figure.reached]


def spread_text(samples: Samples | None, unit: str) -> str:
    """The quartiles."""
    if samples is None:
        return ""
    low, high = samples.quartiles
    return f"{number_text(low, unit)} to {number_text(high, unit)}"


def number_text(value: float, unit: str) -> str:
    """Three digits and the unit."""
    digits = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{digits}x" if unit == "x" else f"{digits} {unit}"
