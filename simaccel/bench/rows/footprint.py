"""Rows: the memory of a paused job in flight, and the time of the import."""

from __future__ import annotations

import subprocess
import sys

from simaccel.bench.figure import Row, RowResult, at_most
from simaccel.bench.interleaved_rounds import Samples, interleave
from simaccel.bench.paused_job_memory import bytes_each
from simaccel.bench.rig import Rig


def _memory(stackful_kib: float, stackless_kib: float, rig: Rig, rounds: int) -> RowResult:
    taken = interleave(
        {kind: lambda kind=kind: bytes_each(rig, kind) / 1024 for kind in ("stackful", "stackless", "greenlet")},  # type: ignore[misc]
        rounds,
    )
    figures = [
        at_most("stackful", taken["stackful"], stackful_kib, "KiB"),
        at_most("stackless", taken["stackless"], stackless_kib, "KiB"),
    ]
    return RowResult(figures, notes=[f"a bare paused greenlet: {taken['greenlet'].median:.1f} KiB"])


def _memory_goal(rig: Rig, rounds: int) -> RowResult:
    return _memory(7.6, 1.5, rig, rounds)


def _memory_floor(rig: Rig, rounds: int) -> RowResult:
    return _memory(12.0, 3.0, rig, rounds)


def _import_ms() -> float:
    """How long `import engine` takes, with everything that it imports, according to `-X importtime`."""
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import engine"], capture_output=True, text=True, check=True
    )
    for line in reversed(run.stderr.splitlines()):
        _, cumulative, name = line.removeprefix("import time:").split("|")
        if name.strip() == "engine":
            return int(cumulative) / 1000
    raise RuntimeError("no line for engine in the report of -X importtime")


def _import(rig: Rig, rounds: int) -> RowResult:
    # The best of three, because other work of the machine is not part of the import.
    taken = interleave({"import": lambda: min(_import_ms() for _ in range(3))}, rounds)["import"]
    return RowResult([at_most("import engine", Samples(taken.values), 150.0, "ms")])


ROWS = (
    Row("memory", "memory of a paused job in flight", "D", _memory_goal, 3),
    Row("import", "-X importtime of import engine", "D", _import, 5),
    Row("memory-floor", "memory of a paused job in flight", "A", _memory_floor, 3),
)
