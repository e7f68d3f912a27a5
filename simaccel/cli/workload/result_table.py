"""Results as tables for people."""

from __future__ import annotations

from rich.console import Console

from simaccel.bench.text_table import TextColumn, print_line, print_table
from simaccel.cli.quantities import duration, size
from simaccel.cli.workload.results import LoadSummary, ResultRow, WayResult

_COLUMNS = (
    TextColumn("operation", text=True),
    *(TextColumn(name) for name in ("count", "bytes")),
    *(TextColumn(f"total\n{name}") for name in ("p50", "p99", "p99.9")),
    *(TextColumn(f"{phase}\n{name}") for phase in ("queue", "service", "wake") for name in ("p50", "p99")),
)


def print_way(screen: Console, result: WayResult) -> None:
    """Print everything that `simaccel run` shows about one way."""
    print_line(screen)
    print_line(screen, f"by {result.notify}, {result.time} time: {_rate(result)}", "bold")
    rows = [(op, *_cells(row)) for op, row in result.by_op.items()]
    if len(rows) != 1:
        rows.append(("all", *_cells(result.total)))
    print_table(screen, _COLUMNS, rows)
    if result.load is not None:
        _print_load(screen, result, result.load)
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


def _print_load(screen: Console, result: WayResult, load: LoadSummary) -> None:
    """Below the rows of operations: latencies of transactions, from the intended arrival."""
    print_line(
        screen,
        f"open load: {load.arrivals}, answered {load.answered_per_s:,.0f}/s, {load.mean_inside:,.1f} inside on "
        f"average, arrived late by p99 {duration(load.late.p99_ns)}",
    )
    for name, latency in load.by_transaction.items():
        times = (
            f"p50 {duration(latency.p50_ns)}",
            f"p99 {duration(latency.p99_ns)}",
            f"p99.9 {duration(latency.p999_ns)}",
        )
        print_line(screen, f"{name} from its intended arrival: mean {duration(latency.mean_ns)}, {', '.join(times)}")


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


def _cells(row: ResultRow) -> list[str]:
    cells = [f"{row.operations:,}", size(row.bytes)]
    cells += [duration(time_ns) for time_ns in (row.whole.p50_ns, row.whole.p99_ns, row.whole.p999_ns)]
    for latency in (row.queue, row.service, row.wake):
        cells += [duration(latency.p50_ns), duration(latency.p99_ns)]
    return cells
