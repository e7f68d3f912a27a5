"""Results as tables for people."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Any, TextIO

from rich.console import Console

from simaccel.bench.columns import Column, print_line, print_table
from simaccel.cli.measuring import Row, WayResult

_COLUMNS = (
    Column("operation", text=True),
    *(Column(name) for name in ("count", "bytes")),
    *(Column(f"total\n{name}") for name in ("p50", "p99", "p99.9")),
    *(Column(f"{phase}\n{name}") for phase in ("queue", "service", "wake") for name in ("p50", "p99")),
)


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """The exit code is not for rich to choose."""
        raise BrokenPipeError


class _ErrorConsole(_Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """What can't be written to standard error, of a full disk for example, is lost and stops nothing."""
        with suppress(OSError):
            super().print(*objects, **options)


def console(file: TextIO | None = None) -> Console:
    """Where tables go. An OSError of standard output is raised, one of standard error is not."""
    stream = sys.stdout if file is None else file
    return (_ErrorConsole if stream is sys.stderr else _Console)(file=stream, highlight=False, markup=False)


def print_way(screen: Console, result: WayResult) -> None:
    """All that `simaccel run` shows of one way."""
    print_line(screen)
    print_line(screen, f"by {result.notify}, {result.time} time: {_rate(result)}", "bold")
    rows = [(op, *_cells(row)) for op, row in result.by_op.items()]
    if len(rows) != 1:
        rows.append(("all", *_cells(result.total)))
    print_table(screen, _COLUMNS, rows)
    engine = result.engine
    print_line(
        screen,
        f"{engine.pauses:,} pauses, {engine.eagains:,} EAGAINs, {engine.wakes:,} wakes, "
        f"{engine.spurious_wakes:,} spurious wakes",
    )
    if engine.eagains:
        slot = result.total.slot
        print_line(screen, f"waited for a slot of the ring: p50 {duration(slot.p50_ns)}, p99 {duration(slot.p99_ns)}")
    print_line(screen, verdict(result))


def _rate(result: WayResult) -> str:
    rate = result.operations_per_s
    if rate is None:
        return "without --latency nothing takes any"
    modelled = "" if result.as_modelled else ", NOT as modelled"
    return f"{rate:,.0f} operations/s, utilisation {100 * result.utilisation:.0f} %{modelled}"


def verdict(result: WayResult) -> str:
    """One line: what was verified, and what was not right."""
    if result.ok:
        return f"all {result.verified:,} results verified"
    parts = [f"{result.verified:,} results verified"]
    if result.failed or result.wrong:
        parts += [f"{result.failed:,} operations FAILED", f"{result.wrong:,} WRONG"]
    if result.interrupted:
        parts.append("interrupted before the end")
    return ", ".join(parts)


def _cells(row: Row) -> list[str]:
    cells = [f"{row.operations:,}", size(row.bytes)]
    cells += [duration(time_ns) for time_ns in (row.whole.p50_ns, row.whole.p99_ns, row.whole.p999_ns)]
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
