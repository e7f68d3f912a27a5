"""The options of `simaccel run`, checked before anything is done."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from engine.engine import Engine
from engine.errors import UsageError
from engine.modes import MODES, NOTIFY
from engine.offload.operation import Operation
from engine.protocol import Tracer as EngineTracer
from sim import Accelerator, Tracer, VirtualClock
from sim.randomness import Randomness
from sim.timing import parse_timing, without_files
from simaccel.cli.workload.open_options import DEFAULT_OPEN_JOBS, OpenLoad, open_load
from simaccel.cli.workload.software import MAKERS
from simaccel.cli.workload.times import positive_ns
from simaccel.load import Card
from simaccel.load.simulation import check_stable
from simaccel.tracing.file import PERFETTO

DEFAULT_OPS = ("sha256", "aes-gcm-encrypt", "ecdsa-sign", "rsa-sign")
DEFAULT_FILE_OPS = ("sha256", "aes-gcm-encrypt")
DEFAULT_WAYS = ("fd", "callback", "poll")
DEFAULT_COUNT, DEFAULT_JOBS, DEFAULT_DEPTH = 2_000, 64, 256
FAULTY_DEADLINE_NS = 10_000_000_000
SPARE_FDS = 64
"""Fds besides those of the jobs: standard streams, epoll, files being read, and fds that were inherited."""


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_RECORDED: dict[str, Callable[[Any], bool]] = {
    "ops": lambda value: _are_names(value) and bool(value),
    "count": lambda value: value is None or _is_count(value),
    "jobs": _is_count,
    "ways": lambda value: _are_names(value) and bool(value),
    "contract": lambda value: isinstance(value, str),
    "depth": _is_count,
    "units": lambda value: value is None or _is_count(value),
    "latency": lambda value: value is None or isinstance(value, str),
    "seed": lambda value: _is_count(value, 0),
    "faults": _are_names,
    "deadline_ns": lambda value: value is None or _is_count(value),
}
"""The options that are kept in the file of a recorded run, each with a check of a value that was read from there."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """The options of `simaccel run`. They fit together, because `checked` has checked them."""

    paths: tuple[str, ...]
    ops: tuple[str, ...]
    count: int | None
    jobs: int
    ways: tuple[str, ...]
    contract: str
    depth: int
    units: int | None
    latency: str | None
    seed: int
    json: str | None
    digests: bool
    faults: tuple[str, ...] = ()
    deadline_ns: int | None = None
    trace: str | None = None
    virtual: bool = False
    """Whether time is virtual, so that only the timing model takes time. With a trace for replay it always is."""
    assist: bool = False
    """Whether threads that wait do short work of the device."""
    load: OpenLoad | None = None
    """What arrives, and when. None for a closed load: `jobs` jobs that do one operation after the other."""

    def to_dict(self) -> dict[str, Any]:
        """The options that decide a recorded run, for JSON. No other file is needed to repeat the run."""
        described = {name: getattr(self, name) for name in _RECORDED}
        described["load"] = None if self.load is None else self.load.to_dict()
        if self.latency is not None:
            described["latency"] = without_files(parse_timing(self.latency)).spec
        return described

    @classmethod
    def from_dict(cls, described: Mapping[str, Any], trace: str) -> RunOptions:
        """The options of a run recorded in the file `trace`. Raises UsageError for an invalid recorded run."""
        load = described.get("load")
        described = {name: value for name, value in described.items() if name != "load"}
        if described.keys() != _RECORDED.keys():
            raise UsageError(f"a run is described by {', '.join(sorted(_RECORDED))}, load, and nothing else")
        for name, fits in _RECORDED.items():
            if not fits(described[name]):
                raise UsageError(f"{name} {described[name]!r} is not a valid value")
        options = _complete(
            **{name: value for name, value in described.items() if name != "deadline_ns"},
            paths=(),
            json=None,
            digests=False,
            trace=trace,
        )
        options = replace(options, deadline_ns=described["deadline_ns"])
        return options if load is None else replace(options, load=OpenLoad.from_dict(load))

    def accelerator(self, trace: Tracer | None = None) -> Accelerator:
        """A new device. Each way gets its own, with the same seed."""
        clock = VirtualClock() if self.virtual else None
        return Accelerator(
            self.depth,
            self.units,
            self.latency,
            seed=self.seed,
            clock=clock,
            faults=self.faults,
            trace=trace,
            assist=self.assist,
        )

    def engine(
        self,
        accel: Accelerator,
        way: str,
        observe: Callable[[Operation], object] | None = None,
        trace: EngineTracer | None = None,
    ) -> Engine:
        """The engine of one way."""
        return Engine(
            accel, notify=way, contract=self.contract, deadline_ns=self.deadline_ns, observe=observe, trace=trace
        )


def is_perfetto(trace: str) -> bool:
    """Whether a trace of that name is one for Perfetto. Every other trace is one for replay."""
    return trace.endswith(PERFETTO)


def checked(*, contract: str | None, ways: Sequence[str], **others: Any) -> RunOptions:
    """The options as a user gave them, with defaults filled in.

    Raises the UsageError of engine or of sim for an invalid value, for options that contradict each other, and for one
    that would have no effect.
    """
    options = _complete(contract=contract, ways=ways, **others)
    if contract is not None and not any(MODES[way].by_callback for way in options.ways):
        raise UsageError(
            f"--contract {contract}: it is about callbacks, and --notify {options.ways[0]} uses none; leave it out"
        )
    return options


def _complete(
    *,
    paths: Sequence[str],
    ops: Sequence[str],
    count: int | None,
    jobs: int | None,
    ways: Sequence[str],
    contract: str | None,
    depth: int,
    units: int | None,
    latency: str | None,
    seed: int | None,
    json: str | None,
    digests: bool,
    faults: Sequence[str] = (),
    deadline: str | None = None,
    trace: str | None = None,
    virtual: bool = False,
    assist: bool = False,
    rate: str | None = None,
    arrivals: str | None = None,
    duration: str | None = None,
    mix: str | None = None,
    handshake: str | None = None,
) -> RunOptions:
    """The options with defaults filled in. Raises UsageError for an invalid value, and for a contradiction."""
    for name, value in (("--count", count), ("--jobs", jobs)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value}: use a whole number, 1 or more")
    chosen = _ops(ops, bool(paths), digests)
    load = open_load(rate, arrivals, duration, count, mix, handshake, ops, chosen, DEFAULT_COUNT)
    if load is not None:
        chosen = tuple(dict.fromkeys(step.op for step in load.mix.shares()))
    options = RunOptions(
        paths=tuple(paths),
        ops=chosen,
        count=count,
        jobs=jobs or (DEFAULT_JOBS if load is None else DEFAULT_OPEN_JOBS),
        ways=_ways(ways, digests),
        contract=contract or "qat",
        depth=depth,
        units=units,
        latency=latency,
        seed=Randomness(seed).seed,
        json=json,
        digests=digests,
        faults=tuple(faults),
        deadline_ns=_deadline_ns(deadline, bool(faults)),
        trace=trace,
        virtual=virtual or (trace is not None and not is_perfetto(trace)),
        assist=assist,
        load=load,
    )
    # The device and the engine know best what they take.
    with options.accelerator() as accel, options.engine(accel, options.ways[0]):
        assists = accel.assistant is not None and trace is None
    if assist and not assists:
        raise UsageError(
            "--assist: it has no effect with --virtual, --latency, --fault and --trace: waiting threads do only "
            "what is due at once, and what nothing watches; leave it out, or these"
        )
    if load is not None:
        _check_load(options, load)
    if trace is not None and (digests or (paths and not is_perfetto(trace))):
        raise UsageError(
            f"--trace {trace}: it records generated data only; leave out {'--digests' if digests else 'the paths'}"
        )
    if trace == "-":
        raise UsageError("--trace -: standard output is for the tables; give a file")
    if digests:
        _check_digests(options)
    elif "-" in options.paths:
        raise UsageError("-: standard input is read by --digests only; give files or folders")
    _reserve_fds(options)
    return options


def _deadline_ns(text: str | None, faults: bool) -> int | None:
    """The deadline of each operation. With faults there always is one, to notice a lost completion."""
    if text is None:
        return FAULTY_DEADLINE_NS if faults else None
    return positive_ns("--deadline", text)


def _ops(ops: Sequence[str], paths: bool, digests: bool) -> tuple[str, ...]:
    for op in ops:
        if op not in MAKERS:
            close = get_close_matches(op, MAKERS, n=1)
            raise UsageError(
                f"--op {op}: {f'did you mean {close[0]}? ' if close else ''}the operations are {', '.join(MAKERS)}"
            )
    if ops:
        return tuple(ops)
    if digests:
        return ("sha256",)
    return DEFAULT_FILE_OPS if paths else DEFAULT_OPS


def _ways(ways: Sequence[str], digests: bool) -> tuple[str, ...]:
    for way in ways:
        if way not in (*NOTIFY, "all"):
            raise UsageError(f"--notify {way}: use one of {', '.join(NOTIFY)}, or all")
    if "all" in ways:
        return NOTIFY
    if not ways:
        return DEFAULT_WAYS[:1] if digests else DEFAULT_WAYS
    return tuple(dict.fromkeys(ways))


def _check_load(options: RunOptions, load: OpenLoad) -> None:
    for name, value in {"--digests": options.digests, "paths": options.paths}.items():
        if value:
            raise UsageError(f"an open load with {name}: it sends generated data; leave {name} out")
    if options.trace is not None and not is_perfetto(options.trace) and not load.can_be_described:
        raise UsageError(
            f"--trace {options.trace} with {load.arrivals.spec} of {load.mix.spec}: this can't be kept for simaccel "
            "replay; use FILE.pftrace"
        )
    if options.latency is not None:
        card = Card.of(options.latency, options.units, options.depth)
        check_stable(load.arrivals.rate_per_s, load.mix, card, 1, options.jobs)


def _check_digests(options: RunOptions) -> None:
    if set(options.ops) != {"sha256"}:
        raise UsageError(f"--digests with --op {' and '.join(options.ops)}: it prints what sha256sum prints, so sha256")
    if options.count is not None:
        raise UsageError(f"--digests with --count {options.count}: it takes whole files; leave --count out")
    if options.json == "-":
        raise UsageError("--digests with --json -: both want standard output; give --json a file")
    if len(options.ways) > 1 and (not options.paths or "-" in options.paths):
        raise UsageError(f"--notify {options.ways[0]} and more: standard input can be read once only; choose one way")


def _reserve_fds(options: RunOptions) -> None:
    """Raise the soft limit so that each job can have its wait fds and the file that it reads open."""
    a_job = max(MODES[way].fds_each for way in options.ways) + options.digests
    needed = options.jobs * a_job + SPARE_FDS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise UsageError(
            f"--jobs {options.jobs}: {needed:,} files would be open at once and this process may have {hard:,}; "
            "use fewer jobs, or --notify callback, or raise `ulimit -Hn`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
