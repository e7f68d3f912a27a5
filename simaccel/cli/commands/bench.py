"""`simaccel bench`: measures what a pause and resume cost, and compares that with other ways to wait."""

from __future__ import annotations

import json as json_format
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sim import Accelerator, Coalescing, VirtualClock
from simaccel.bench.rig import Rig
from simaccel.bench.run_parts import Report
from simaccel.bench.session import Order, missing, plan
from simaccel.bridge import connect, device_process
from simaccel.cli.console import console
from simaccel.cli.exits import INTERRUPTED, OK, complain
from simaccel.cli.number_options import number, whole_number
from simaccel.cli.output_files import STDOUT, check_writable, write_text


@contextmanager
def _device_process() -> Iterator[Callable[..., Any]]:
    with device_process() as address:
        yield partial(connect, address)


RIG = Rig(Accelerator, VirtualClock, Coalescing, _device_process)


def command(
    row: Annotated[
        list[str] | None, typer.Option(metavar="ROW", help="Only this row of the table; may be repeated.")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART", help="Only this part: rows, bare, depths, split, crypto, counts; may be repeated."
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="N", help="How many interleaved rounds. [default: each part has its own]"
        ),
    ] = None,
    minutes: Annotated[
        float, typer.Option(parser=number, metavar="X", help="About how long it may take; 0 for no limit.")
    ] = 10.0,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write everything that was measured to this file; - is stdout.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write an HTML page and its pictures (PNG and SVG) to this folder."),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also show what changed since an earlier run, given its --json file."),
    ] = None,
    goals: Annotated[
        bool,
        typer.Option(
            "--goals", help="Also show the figures that this project aims at, and whether they are reached here."
        ),
    ] = False,
) -> Callable[[], int]:
    """Measure the cost of a pause, and of other ways to wait. Takes minutes."""
    order = Order(part or (), row or (), rounds, minutes, out, compare, goals)
    carry_out = plan(RIG, order)
    if json is not None:
        check_writable("--json", json, make_folder=True)
    return lambda: _measure(order, carry_out, json)


def _measure(order: Order, carry_out: Callable[[Console], Report], json: str | None) -> int:
    for what in missing(order):
        complain(what)
    report = carry_out(console(sys.stderr if json == STDOUT else sys.stdout))
    if json is not None:
        write_text(json, json_format.dumps(report, indent=1) + "\n")
    if report.get("interrupted"):
        complain("interrupted")
        return INTERRUPTED
    return OK
