"""`simaccel sweep`: a grid of simulated runs, on the processes of this machine or on a Dask cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Annotated

import typer

from sim import UsageError
from simaccel.bench.text_table import print_line
from simaccel.cli.console import console
from simaccel.cli.exits import OK
from simaccel.cli.number_options import whole_number
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.extras import it_needs
from simaccel.fleet.policies import make_policy
from simaccel.load.arrivals import AT_RATE
from simaccel.load.sweep_folder import FORMATS, SweepFolder
from simaccel.load.sweep_grid import Cell, Row, grid
from simaccel.load.sweep_picture import draw_sweep
from simaccel.load.sweep_workers import by_dask, by_processes
from simaccel.version import __version__

Values = Annotated[str, typer.Option(metavar="N,N,...")]


def command(
    out: Annotated[str, typer.Option(metavar="FOLDER", help="Where results go. A sweep that was ended goes on there.")],
    rate: Annotated[str, typer.Option(metavar="RATE,...", help="How many arrive: 20k/s,40k/s.")],
    latency: Annotated[
        list[str], typer.Option(metavar="MODEL", help="The card: a timing model or preset:NAME; may be repeated.")
    ],
    mix: Annotated[
        str,
        typer.Option(metavar="MIX", help="What arrives: rsa-sign=1,aes-gcm=20, or a handshake: tls13-rsa2048."),
    ],
    cards: Annotated[str, typer.Option(metavar="N,...", help="How many cards.")] = "1",
    units: Annotated[
        str | None, typer.Option(metavar="N,...", help="Units of a card. [default: the preset's, or 1]")
    ] = None,
    depth: Annotated[str, typer.Option(metavar="N,...", help="Slots of a card's ring.")] = "256",
    in_flight: Annotated[
        str | None, typer.Option(metavar="N,...", help="The most in flight over all cards. [default: no limit]")
    ] = None,
    policy: Annotated[str, typer.Option(metavar="NAME,...", help="Which card gets an operation.")] = "least-in-flight",
    seeds: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="How many runs of each, with seeds from --seed up.")
    ] = 1,
    seed: Annotated[int, typer.Option(parser=whole_number, metavar="N", help="The first seed.")] = 1,
    arrivals: Annotated[str, typer.Option(metavar="HOW", help=f"How they arrive: {AT_RATE}.")] = "poisson",
    count: Annotated[int, typer.Option(parser=whole_number, metavar="N", help="Transactions of each run.")] = 100_000,
    workers: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Processes. [default: one for each core]")
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="A Dask scheduler, such as tcp://host:8786; or local, which starts one."),
    ] = None,
    batch: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Runs that a worker is given at once.")
    ] = 1,
    results: Annotated[str, typer.Option("--format", metavar="NAME", help="csv or parquet.")] = "csv",
) -> Callable[[], int]:
    """Run a grid of simulated loads, in virtual time, and write a row for each."""
    for name, value in (("--seeds", seeds), ("--count", count), ("--batch", batch), ("--workers", workers)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value}: use a whole number, 1 or more")
    if seed < 0:
        raise UsageError(f"--seed {seed}: use a whole number, 0 or more")
    if results not in FORMATS:
        raise UsageError(f"--format {results}: use one of {', '.join(FORMATS)}")
    if results == "parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"--format parquet: {it_needs('pyarrow')}, or use csv")
    policies = _texts(policy)
    for one in policies:
        make_policy(one)
    cells = grid(
        {
            "latency": latency,
            "rate": _texts(rate),
            "cards": _numbers("--cards", cards),
            "units": [None] if units is None else _numbers("--units", units),
            "depth": _numbers("--depth", depth),
            "in_flight": [None] if in_flight is None else _numbers("--in-flight", in_flight),
            "policy": policies,
            "seed": range(seed, seed + seeds),
        },
        arrivals=arrivals,
        mix=mix,
        count=count,
        warm_up=0.1,
    )
    folder = SweepFolder(out, cells)
    left = folder.left
    rows = (
        by_processes(left, workers or _cores(), batch)
        if dask is None
        else by_dask(left, dask, workers or _cores(), batch)
    )
    # A cluster that does not answer is a wrong option: the first batch tells.
    try:
        first = next(rows, None) if dask is not None and left else None
    except BaseException:
        folder.__exit__(None, None, None)
        raise
    return lambda: _run(folder, len(cells), left, first, rows, results)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _texts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(option: str, text: str) -> list[int]:
    numbers = []
    for part in _texts(text):
        if not part.isdecimal() or int(part) < 1:
            raise UsageError(f"{option} {text}: {part!r} is no whole number, 1 or more")
        numbers.append(int(part))
    return numbers


def _run(
    folder: SweepFolder, count: int, left: list[Cell], first: list[Row] | None, rows: Iterator[list[Row]], results: str
) -> int:
    screen = console(sys.stdout)
    print_line(screen, f"simaccel {__version__}, {count:,} cells, {count - len(left):,} of them done before")
    with folder, ProgressBar() as bar:
        bar.begin("cells", len(left))
        for batch in ([first] if first else []), rows:
            for done in batch:
                for _ in range(folder.add(done)):
                    bar.step()
        target = folder.write_results(results)
        unstable = sum(row["status"] == "unstable" for row in folder.rows)
        if find_spec("matplotlib") is not None:
            draw_sweep(folder.rows, folder.path / "p99.svg")
    note = f"; {unstable:,} are unstable: more arrives than their cards can do" if unstable else ""
    print_line(screen, f"{target}: {count:,} rows{note}")
    return OK
