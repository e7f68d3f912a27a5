"""Results as tables for people."""

from __future__ import annotations

import sys
from typing import TextIO

from rich.console import Console
from rich.table import Table

from engine.cli.measuring import Row, WayResult

WIDTH = 100
"""Where there is no terminal to ask, such as in a file or a CI's log."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The exit code is not for rich to choose."""
        raise BrokenPipeError


def console(file: TextIO | None = None) -> Console:
    """Where tables go."""
    stream = sys.stdout if file is None else file
    return _Console(file=stream, width=None if stream.isatty() else WIDTH, highlight=False, markup=False)


def print_way(screen: Console, result: WayResult) -> None:
    """All that `simaccel run` shows of one way. The rows fit 80 columns, but for the longest names."""
    table = Table(box=None, pad_edge=False, padding=(0, 0, 0, 1), header_style="", show_header=True)
    table.add_column("\noperation", no_wrap=True)
    for heading in ("\ncount", "\nbytes", "queue\np50", "\np99", "service\np50", "\np99", "wake\np50", "\np99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for op, row in result.by_op.items():
        table.add_row(op, *_cells(row))
    if len(result.by_op) != 1:
        table.add_row("all", *_cells(result.total))
    engine = result.engine
    screen.print()
    screen.print(
        f"by {result.notify}: {result.operations_per_s:,.0f} operations/s, "
        f"utilisation {100 * result.utilisation:.0f} %",
        style="bold",
    )
    screen.print(table)
    screen.print(
        f"{engine.pauses:,} pauses, {engine.eagains:,} EAGAINs, {engine.wakes:,} wakes, "
        f"{engine.spurious_wakes:,} spurious wakes"
    )
    if engine.eagains:
        slot = result.total.slot
        screen.print(f"waited for a slot of the ring: p50 {duration(slot.p50_ns)}, p99 {duration(slot.p99_ns)}")
    screen.print(_verdict(result))


def _verdict(result: WayResult) -> str:
    if result.ok:
        return f"all {result.verified:,} results verified"
    return f"{result.verified:,} results verified, {result.failed:,} operations FAILED, {result.wrong:,} WRONG"


def _cells(row: Row) -> list[str]:
    cells = [f"{row.operations:,}", size(row.bytes)]
    for latency in (row.queue, row.service, row.wake):
        cells += [duration(latency.p50_ns), duration(latency.p99_ns)]
    return cells


def size(count_bytes: int) -> str:
    """Bytes in powers of ten, three digits: 12.3MB."""
    return _scaled(count_bytes, ("B", "kB", "MB", "GB", "TB"))


def duration(time_ns: int) -> str:
    """A time in its unit, three digits: 12.3us."""
    return _scaled(time_ns, ("ns", "us", "ms", "s"))


def _scaled(value: float, units: tuple[str, ...]) -> str:
    position = 0
    while abs(value) >= 999.5 and position < len(units) - 1:
        value /= 1_000
        position += 1
    digits = 0 if position == 0 or abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}{units[position]}"
