"""`simaccel run`: runs real work on a simulated device, woken in several ways, and checks every result."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.console import Console

from engine.errors import UsageError
from engine.modes import CONTRACTS, NOTIFY
from sim import Trace
from sim.randomness import Randomness
from simaccel.bench.text_table import print_line
from simaccel.cli.console import console
from simaccel.cli.exits import FAILED, INTERRUPTED, OK, complain
from simaccel.cli.model_lateness import late_text
from simaccel.cli.number_options import whole_number
from simaccel.cli.output_files import STDOUT, check_writable, write_text
from simaccel.cli.workload.digests import print_digests
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.files import blocks
from simaccel.cli.workload.open_options import DEFAULT_OPEN_JOBS
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
from simaccel.cli.workload.run_open_way import run_open_way
from simaccel.cli.workload.run_trace import RunTrace, keep_trace, open_trace
from simaccel.cli.workload.run_way import run_way
from simaccel.cli.workload.software import MAKERS, SoftwareOperation
from simaccel.cli.workload.work import Work, from_blocks, generated
from simaccel.load import HANDSHAKES
from simaccel.load.arrivals import AT_RATE, RECORDED
from simaccel.tracing.perfetto import PerfettoTrace
from simaccel.version import __version__


def command(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="PATH", help="Files, or folders of files, to work on. [default: generated data]"),
    ] = None,
    op: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help=f"An operation of the device; may be repeated. [default: {', '.join(DEFAULT_OPS)}; "
            f"with paths {', '.join(DEFAULT_FILE_OPS)}]",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help=f"How many operations, each way. [default: {DEFAULT_COUNT:,}; with paths, all]",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help="How many jobs run at once. Each does one operation after another. "
            f"[default: {DEFAULT_JOBS}; with --rate at most {DEFAULT_OPEN_JOBS:,}]",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            help="Open load: how many arrive a second, such as 50k/s. They arrive even if earlier ones are not done. "
            "Latency counts from the intended arrival.",
        ),
    ] = None,
    arrivals: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help=f"How they arrive: {AT_RATE}, {RECORDED}. [default: poisson]",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option("--for", metavar="TIME", help="For how long they arrive, such as 10s. Replaces --count."),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option(metavar="MIX", help="What arrives, with weights, such as rsa-sign=1,x25519=1,aes-gcm:1kB=20."),
    ] = None,
    handshake: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"What arrives: operations one after the other, such as x25519+rsa-sign, or {', '.join(HANDSHAKES)}.",
        ),
    ] = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WAY",
            help=f"How a job is woken: {', '.join(NOTIFY)}, or all; may be repeated. "
            f"[default: {', '.join(DEFAULT_WAYS)}]",
        ),
    ] = None,
    contract: Annotated[
        str | None,
        typer.Option(
            help=f"What a callback tells its job: as {', '.join(CONTRACTS)} does. [default: qat]", metavar="NAME"
        ),
    ] = None,
    depth: Annotated[
        int, typer.Option(parser=whole_number, metavar="N", help="Slots of the submission ring: a power of two.")
    ] = DEFAULT_DEPTH,
    units: Annotated[
        int | None,
        typer.Option(
            parser=whole_number,
            metavar="N",
            help="Units of the device that work in parallel. [default: the preset's, or 1]",
        ),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="How long the device takes, such as fixed:50us or preset:qat-dh895xcc. [default: as long as the work]",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(parser=whole_number, metavar="N", help="The seed of everything random. [default: a new one]"),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="RULE", help="What goes wrong, such as corrupt:op=sha256,every=100; may be repeated."),
    ] = None,
    deadline: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="The longest that an operation may take, such as 5ms. [default: none; with --fault, 10s]",
        ),
    ] = None,
    trace: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Record every event: in FILE.pftrace for Perfetto and simaccel explain, in any other file for "
            "simaccel replay, which needs virtual time and so runs in it.",
        ),
    ] = None,
    virtual: Annotated[
        bool,
        typer.Option("--virtual", help="Run in virtual time, in which only the timing model takes time."),
    ] = False,
    assist: Annotated[
        bool,
        typer.Option("--assist", help="Threads that wait do short work of the device, instead of waking its worker."),
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write the results to this file, as JSON; - is stdout.")
    ] = None,
    digests: Annotated[
        bool, typer.Option("--digests", help="Hash these paths on the device, and print what sha256sum prints.")
    ] = False,
) -> Callable[[], int]:
    """Run real work on a simulated device, and check every result.

    Exit code 0: every result is right. 1: an operation failed or was wrong, or a path could not be read. 2: wrong
    usage. 130: Ctrl-C, after printing what was done until then.
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
        assist=assist,
        rate=rate,
        arrivals=arrivals,
        duration=duration,
        mix=mix,
        handshake=handshake,
    )
    kinds = kinds_of(options)
    if paths:
        for kind in kinds.values():
            if not kind.takes_files:
                raise UsageError(f"--op {kind.op}: it can't work on files; leave out the paths, or this operation")
    for name, target in (("--json", options.json), ("--trace", options.trace)):
        if target is not None:
            check_writable(name, target)
    return lambda: _run(options, kinds)


def _run(options: RunOptions, kinds: dict[str, SoftwareOperation]) -> int:
    to_stdout = not options.digests and options.json != STDOUT
    screen = console(sys.stdout if to_stdout else sys.stderr)
    failures = Failures()
    print_line(screen, f"simaccel {__version__}, seed {options.seed}")
    trace = open_trace(options.trace)
    with trace if isinstance(trace, PerfettoTrace) else nullcontext():
        results = list(_results(options, kinds, screen, failures, trace))
    failures.end()
    ok = not failures.any and all(result.ok for result in results)
    interrupted = any(result.interrupted for result in results)
    if options.json is not None:
        write_text(options.json, json.dumps(_document(options, results, ok), indent=2) + "\n")
    if interrupted:
        complain(f"interrupted: {options.trace} was not written" if isinstance(trace, Trace) else "interrupted")
        return INTERRUPTED
    if options.trace is not None:
        keep_trace(options, options.trace, trace)
    return OK if ok else FAILED


def _results(
    options: RunOptions, kinds: dict[str, SoftwareOperation], screen: Console, failures: Failures, trace: RunTrace
) -> Iterator[WayResult]:
    """Run one way after another, and show each when it ends. Stops after Ctrl-C, and if there is nothing to do."""
    for way in options.ways:
        with ProgressBar() as bar:
            bar.begin(f"by {way}", options.count or (None if options.paths or options.load else DEFAULT_COUNT))
            if options.digests:
                result = print_digests(options, way, way == options.ways[0], bar, failures)
            else:
                result = run_one_way(options, way, kinds, bar, failures, trace)
        if result.idle and not result.interrupted:
            if not failures.any:
                print_line(screen, "nothing to do: the given folders hold no files")
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


def kinds_of(options: RunOptions) -> dict[str, SoftwareOperation]:
    """The operations that were asked for, by name, each with a key."""
    keys = Randomness(options.seed).stream("keys")
    return {name: MAKERS[name](name, keys) for name in dict.fromkeys(options.ops)}


def run_one_way(
    options: RunOptions,
    way: str,
    kinds: dict[str, SoftwareOperation],
    bar: ProgressBar,
    failures: Failures,
    trace: RunTrace = None,
) -> WayResult:
    """Do all the work in one way. The work is the same for each way, and in each run with these options."""
    if options.load is not None:
        return run_open_way(options, options.load, way, kinds, bar, failures, trace)
    work = _work(options, [kinds[op] for op in options.ops], failures)
    return run_way(options, way, list(kinds.values()), work, bar, failures, trace)


def _work(options: RunOptions, kinds: list[SoftwareOperation], failures: Failures) -> Iterable[Work]:
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
            "assist": options.assist,
            "units": options.units,
            "latency": options.latency,
            "fault": options.faults,
            "deadline_ns": options.deadline_ns,
            **_load_options(options),
        },
        "ways": [result.to_dict() for result in results],
    }


def _load_options(options: RunOptions) -> dict[str, Any]:
    load = options.load
    if load is None:
        return {}
    return {
        "arrivals": load.arrivals.spec,
        "rate_per_s": load.arrivals.rate_per_s,
        "for_ns": load.for_ns,
        "mix": load.mix.spec,
    }
