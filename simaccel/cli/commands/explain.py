"""`simaccel explain`: reads a trace and says where the time went. For two traces, it says what changed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated

import numpy as np
import typer
from rich.console import Console

from sim import TraceError, UsageError
from simaccel.bench.text_table import TextColumn, print_line, print_table
from simaccel.cli.console import console
from simaccel.cli.exits import OK
from simaccel.cli.quantities import duration
from simaccel.tracing.read import read_trace
from simaccel.tracing.story import STAGES, DeviceStory, FullMoment

MEANINGS = {
    "slot": "waiting for a slot of the ring: use a larger ring (depth, entries), or fewer requests at once",
    "queue": "waiting for a unit: there are too few units, or too many requests",
    "service": "the work itself",
    "deliver": "waiting for the interrupt or the poll",
    "wake": "waiting until the caller goes on: it is busy with something else",
}
FULL_SHARE = 0.05
"""If the ring was full for more of the time, a trace without callers says what that means."""


def command(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="A trace of simaccel: for Perfetto (.pftrace), or for replay.")
    ],
    other: Annotated[
        str | None, typer.Argument(metavar="FILE2", help="A second trace, of a change: print what it changed.")
    ] = None,
) -> Callable[[], int]:
    """Say where the time of a trace went.

    It prints the stages, the longest operations and the times at which the ring was full. For two traces, it prints
    what changed.

    Exit code 0: it was printed. 2: a file can't be used.
    """
    devices = [_read(path) for path in (file, other) if path is not None]
    return lambda: _explain(devices)


def _read(path: str) -> list[DeviceStory]:
    try:
        return read_trace(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except TraceError as error:
        raise UsageError(str(error)) from None


def _explain(traces: list[list[DeviceStory]]) -> int:
    screen = console(sys.stdout)
    if len(traces) == 1:
        begin_ns = min((device.first_ns for device in traces[0] if device.first_ns >= 0), default=0)
        for device in traces[0]:
            _tell(screen, device, begin_ns)
        return OK
    before, after = traces
    names = [device.name for device in before]
    for device in after:
        if device.name in names:
            _compare(screen, before[names.index(device.name)], device)
        else:
            print_line(screen, f"{device.name}: only in the second trace")
    for name in [name for name in names if name not in {device.name for device in after}]:
        print_line(screen, f"{name}: only in the first trace")
    return OK


# One trace


def _tell(screen: Console, device: DeviceStory, begin_ns: int) -> None:
    """All times that are printed count from `begin_ns`, when the first request of the trace was submitted."""
    print_line(screen)
    rate = f", {device.operations / device.span_ns * 1e9:,.0f}/s" if device.span_ns else ""
    print_line(screen, f"{device.name}: {device.operations:,} operations in {duration(device.span_ns)}{rate}", "bold")
    if not device.operations:
        print_line(screen, "no operation has ended in this trace")
        return
    stages = _stages(device)
    total_ns = sum(int(values.sum()) for values in stages.values())
    rows = [(name, *_cells(values, total_ns)) for name, values in stages.items() if values.any() or name == "service"]
    columns = [TextColumn("stage", text=True), *map(TextColumn, ("share", "mean", "p50", "p99", "max"))]
    print_table(screen, columns, rows)
    print_line(screen, _verdict(stages, total_ns))
    if not device.has_callers and device.full_ns > FULL_SHARE * device.span_ns:
        share = device.full_ns / device.span_ns
        print_line(
            screen, f"the ring was full for {share:.0%} of the time: what did not fit waited in the program, which this"
        )
        print_line(
            screen, "trace of the device can't show, or was done in software: use a larger ring (entries, depth)"
        )
    print_line(screen)
    headings = (
        TextColumn("the longest", text=True),
        TextColumn("total"),
        *map(TextColumn, STAGES),
        TextColumn("caller", text=True),
    )
    longest = [entry[2] for entry in sorted(device.longest, key=lambda entry: (-entry[0], -entry[1]))]
    print_table(
        screen,
        headings,
        [
            (
                f"{one.op}, request {one.number:,}, at {duration(max(0, one.called_ns - begin_ns))}",
                duration(sum(one.stages_ns())),
                *map(duration, one.stages_ns()),
                one.caller,
            )
            for one in longest
        ],
    )
    for line in _rarer(device, begin_ns):
        print_line(screen, line)


def _stages(device: DeviceStory) -> dict[str, np.ndarray]:
    """The ns of each stage, over all operations."""
    return {
        name: np.concatenate([np.frombuffer(arrays[at], dtype=np.int64) for arrays in device.stages.values()])
        for at, name in enumerate(STAGES)
    }


def _cells(values: np.ndarray, total_ns: int) -> list[str]:
    p50, p99, most = (int(value) for value in np.percentile(values, [50, 99, 100]))
    share = values.sum() / total_ns if total_ns else 0.0
    return [f"{share:.1%}", *map(duration, (int(values.mean()), p50, p99, most))]


def _verdict(stages: dict[str, np.ndarray], total_ns: int) -> str:
    most = max(stages, key=lambda name: int(stages[name].sum()))
    share = stages[most].sum() / total_ns if total_ns else 0.0
    return f"most of the time, {share:.0%}, is {most}: {MEANINGS[most]}"


def _rarer(device: DeviceStory, begin_ns: int) -> Iterator[str]:
    if device.waits:
        waits = ", ".join(f"{op} {count:,}" for op, count in device.waits.most_common())
        yield f"waits for a slot: {sum(device.waits.values()):,} ({waits})"
    if device.full_times:
        yield f"the ring was full {device.full_times:,} times, for {duration(device.full_ns)} in all; the longest:"
    for _, _, moment in sorted(device.full, key=lambda entry: (-entry[0], -entry[1])):
        yield f"  {_moment(moment, begin_ns)}"
    if device.faults:
        yield "faults: " + ", ".join(f"{kind} {count:,}" for kind, count in sorted(device.faults.items()))
    if device.failures:
        yield "failed: " + ", ".join(f"{why} {count:,}" for why, count in sorted(device.failures.items()))
    if device.in_flight:
        yield f"still in flight at the end: {len(device.in_flight):,}"


def _moment(moment: FullMoment, begin_ns: int) -> str:
    who = ", ".join(f"{count:,} {op}" for op, count in moment.holders)
    text = f"at {duration(max(0, moment.begin_ns - begin_ns))} for {duration(moment.duration_ns)}: {who}"
    oldest = moment.longest
    if oldest is None:
        return text
    held_ns = moment.begin_ns - oldest.submitted_ns
    by = f" of {oldest.caller}" if oldest.caller else ""
    return f"{text}; longest there: request {oldest.number:,}, {oldest.op}{by}, since {duration(held_ns)}"


# Two


def _compare(screen: Console, before: DeviceStory, after: DeviceStory) -> None:
    print_line(screen)
    print_line(screen, f"{after.name}: {before.operations:,} operations before, {after.operations:,} after", "bold")
    if not before.operations or not after.operations:
        print_line(screen, "one of them has no operation that has ended")
        return
    old, new = _stages(before), _stages(after)
    rows = []
    for name in STAGES:
        if old[name].any() or new[name].any():
            rows.append((name, *_change(old[name], new[name])))
    rows.append(("total", *_change(_total(old), _total(new))))
    figures = [
        TextColumn(f"{figure}\n{which}") for figure in ("mean", "p99") for which in ("before", "after", "change")
    ]
    print_table(screen, [TextColumn("stage", text=True), *figures], rows)
    moved = {name: float(new[name].mean() - old[name].mean()) for name in STAGES}
    most = max(moved, key=lambda name: abs(moved[name]))
    if round(moved[most]):
        direction = "longer" if moved[most] > 0 else "shorter"
        print_line(screen, f"what changed most is {most}, {duration(abs(int(moved[most])))} {direction} in the mean")
    else:
        print_line(screen, "no stage has changed")
    full = (before.full_ns, after.full_ns)
    if any(full):
        print_line(screen, f"the ring was full for {duration(full[0])} before, {duration(full[1])} after")


def _total(stages: dict[str, np.ndarray]) -> np.ndarray:
    return np.sum(list(stages.values()), axis=0)  # type: ignore[no-any-return]


def _change(old: np.ndarray, new: np.ndarray) -> Sequence[str]:
    cells: list[str] = []
    for figure in (np.mean, lambda values: np.percentile(values, 99)):
        one, other = int(figure(old)), int(figure(new))
        change = "" if one == other else f"{other / one - 1:+.0%}" if one else "new"
        cells += [duration(one), duration(other), change]
    return cells
