"""`simaccel bench`: measure pause and resume, by itself and beside what else there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.bench.rig import Rig
from engine.bench.session import Order, plan
from engine.cli.exits import OK
from sim import Accelerator, Coalescing, VirtualClock, connect
from sim.bridge import device_process


@contextmanager
def _device_process() -> Iterator[Callable[..., Any]]:
    with device_process() as address:
        yield partial(connect, address)


RIG = Rig(Accelerator, VirtualClock, Coalescing, _device_process)


def command(
    row: Annotated[list[str] | None, typer.Option(help="Only this row of the table; repeatable.")] = None,
    part: Annotated[
        list[str] | None, typer.Option(help="Only this part: rows, bare, depths, split, crypto, counts; repeatable.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Interleaved rounds; by default what each part takes.")] = None,
    minutes: Annotated[float, typer.Option(help="How long it may take, about; 0 for as long as it does.")] = 10.0,
    json: Annotated[Path | None, typer.Option(help="Write everything that was measured.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the pictures, PNG and SVG, and the page.")] = None,
    compare: Annotated[Path | None, typer.Option(help="The JSON of an earlier run: say what changed.")] = None,
) -> Callable[[], int]:
    """Measure, and say what of the table is reached. The whole takes minutes."""
    order = Order(part or (), row or (), rounds, minutes, json, out, compare)
    carry_out = plan(RIG, order)

    def measure() -> int:
        carry_out()
        return OK

    return measure
