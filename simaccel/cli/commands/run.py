"""`simaccel run`: real work through the simulated accelerator, in several ways, every result checked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console

from engine.errors import UsageError
from engine.modes import CONTRACTS, NOTIFY
from sim import Trace, save_trace
from sim.randomness import Randomness
from simaccel.bench.text_table import print_line
from simaccel.cli.console import console
from simaccel.cli.exits import FAILED, INTERRUPTED, OK, OutputError, complain
from simaccel.cli.model_lateness import late_text
from simaccel.cli.number_options import whole_number
from simaccel.cli.output_files import STDOUT, check_writable, write_text
from simaccel.cli.workload.digests import print_digests
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.files import blocks
from simaccel.cli.workload.options import (
    DEFAULT_COUNT,
    DEFAULT_DEPTH,
    DEFAULT_FILE_OPS,
    DEFAULT_JOBS,
    DEFAULT_OPS,
    DEFAULT_WAYS,
    RunOptions,
    checked,
)
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.cli.workload.result_table import print_way
from simaccel.cli.workload.results import WayResult
from simaccel.cli.workload.run_way import run_way
from simaccel.cli.workload.software import MAKERS, Kind
from simaccel.cli.workload.work import Work, from_blocks, generated
from simaccel.version import __version__


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, and folders to walk. Without: generated data."),
    ] = None,
    op: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"An operation; again and again. [default: {', '.join(DEFAULT_OPS)}; "
            f"with paths {', '.join(DEFAULT_FILE_OPS)}]",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            parser=whole_number, metavar="N", help=f"Operations each way. [default: {DEFAULT_COUNT:,}; with paths all]"
        ),
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(parser=whole_number, metavar="N", help="Jobs at once; each does one operation after the other."),
    ] = DEFAULT_JOBS,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY",
            help=f"{', '.join(NOTIFY)}, or all; again and again. [default: {', '.join(DEFAULT_WAYS)}]",
        ),
    ] = None,
    contract: Annotated[
        str | None, typer.Option(help=f"Of the callback: {', '.join(CONTRACTS)}. [default: qat]", metavar="NAME")
    ] = None,
    depth: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Slots of the submission ring, a power of two.")
    ] = DEFAULT_DEPTH,
    units: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", help="Parallel units. [default: the preset's, else 1]"),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="fixed:50us, lognormal:50us,0.3, preset:qat-dh895xcc, ... [default: what the work itself takes]",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(parser=whole_number, metavar="N", help="Of everything random. [default: a new one]")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="Such as corrupt:op=sha256,every=100; again and again. See docs/faults.md."),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Of each operation, such as 5ms. [default: none; with --fault 10s]"),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Run in virtual time, and write all that happens there for simaccel replay."),
    ] = None,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="In virtual time: exactly the timing model, however long the work takes here."),
    ] = False,
    json: Annotated[str | None, typer.Option(metavar="FILE", help="Write the results there too; - is stdout.")] = None,
    digests: Annotated[bool, typer.Option("--digests", help="Print what sha256sum prints for these paths.")] = False,
) -> Callable[[], int]:
    """Real work through the simulated accelerator, every result checked against software.

    Exit code 0: all verified; 1: an operation failed or was wrong, or a path could not be read; 2: usage; 130: Ctrl-C,
    and what was done until then has been told.
    """
    options = checked(
        paths=paths or (),
        ops=op or (),
        count=count,
        jobs=jobs,
        ways=notify or (),
        contract=contract,
        depth=depth,
        units=units,
        latency=latency,
        seed=seed,
        json=json,
        digests=digests,
        faults=fault or (),
        deadline=deadline,
        trace=trace,
        virtual=virtual,
    )
    kinds = kinds_of(options)
    if paths:
        for kind in kinds.values():
            if not kind.takes_files:
                raise UsageError(f"--op {kind.op}: it can't take the contents of files; leave out the paths, or it")
    for name, target in (("--json", options.json), ("--trace", options.trace)):
        if target is not None:
            check_writable(name, target)
    return lambda: _run(options, kinds)


def _run(options: RunOptions, kinds: dict[str, Kind]) -> int:
    to_stdout = not options.digests and options.json != STDOUT
    screen = console(sys.stdout if to_stdout else sys.stderr)
    failures = Failures()
    print_line(screen, f"simaccel {__version__}, seed {options.seed}")
    trace = None if options.trace is None else Trace()
    results = list(_results(options, kinds, screen, failures, trace))
    failures.end()
    ok = not failures.any and all(result.ok for result in results)
    interrupted = any(result.interrupted for result in results)
    if options.json is not None:
        write_text(options.json, json.dumps(_document(options, results, ok), indent=2) + "\n")
    if interrupted:
        complain("interrupted" if trace is None else f"interrupted: {options.trace} was not written")
        return INTERRUPTED
    if trace is not None and options.trace is not None:
        try:
            save_trace(options.trace, {"run": options.to_dict()}, trace)
        except OSError as error:
            raise OutputError(options.trace, error) from None
    return OK if ok else FAILED


def _results(
    options: RunOptions, kinds: dict[str, Kind], screen: Console, failures: Failures, trace: Trace | None
) -> Iterator[WayResult]:
    """One way after the other, each shown as it ends; none is begun after Ctrl-C, or if there turned out to be nothing
    to do."""
    for way in options.ways:
        with ProgressBar() as bar:
            bar.begin(f"by {way}", options.count or (None if options.paths else DEFAULT_COUNT))
            if options.digests:
                result = print_digests(options, way, way == options.ways[0], bar, failures)
            else:
                result = run_one_way(options, way, kinds, bar, failures, trace)
        if result.idle and not result.interrupted:
            if not failures.any:
                print_line(screen, "nothing to do: there is no file in what was named")
            yield result
            return
        if not options.digests:
            print_way(screen, result)
        if not result.as_modelled:
            complain(_late(options, result))
        yield result
        if result.interrupted:
            return


def _late(options: RunOptions, result: WayResult) -> str:
    cures = f"--virtual, fewer units than {options.units}" if (options.units or 1) > 1 else "--virtual"
    device, of = result.device, result.total.operations
    return f"by {result.notify}: {late_text(device.late, of, device.late_ns, options.latency, cures)}"


def kinds_of(options: RunOptions) -> dict[str, Kind]:
    """The operations by name, with their keys."""
    keys = Randomness(options.seed).stream("keys")
    return {name: MAKERS[name](name, keys) for name in dict.fromkeys(options.ops)}


def run_one_way(
    options: RunOptions,
    way: str,
    kinds: dict[str, Kind],
    bar: ProgressBar,
    failures: Failures,
    trace: Trace | None = None,
) -> WayResult:
    """All the work, one way; the same for each way, and for each run with these options."""
    work = _work(options, [kinds[op] for op in options.ops], failures)
    return run_way(options, way, list(kinds.values()), work, bar, failures, trace)


def _work(options: RunOptions, kinds: list[Kind], failures: Failures) -> Iterable[Work]:
    """The same work for each way."""
    rng = Randomness(options.seed).stream("workload")
    if not options.paths:
        return generated(kinds, options.count or DEFAULT_COUNT, rng)
    work = from_blocks(kinds, blocks(options.paths, failures.add_path), rng)
    return work if options.count is None else (item for item, _ in zip(work, range(options.count), strict=False))


def _document(options: RunOptions, results: list[WayResult], ok: bool) -> dict[str, Any]:
    return {
        "simaccel": __version__,
        "seed": options.seed,
        "ok": ok,
        "time": "virtual" if options.virtual else "real",
        "interrupted": any(result.interrupted for result in results),
        "options": {
            "paths": options.paths,
            "op": options.ops,
            "count": options.count,
            "jobs": options.jobs,
            "notify": options.ways,
            "contract": options.contract,
            "depth": options.depth,
            "units": options.units,
            "latency": options.latency,
            "fault": options.faults,
            "deadline_ns": options.deadline_ns,
        },
        "ways": [result.to_dict() for result in results],
    }
