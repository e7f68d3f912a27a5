"""How much resident memory a paused job with an operation in flight takes. It is measured in a process of its own."""

from __future__ import annotations

import gc
import resource
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from greenlet import getcurrent, greenlet

from engine import Engine, start_job
from simaccel.bench import child_process
from simaccel.bench.rig import Rig
from waitctx import WaitCtx

_WARM = 1_000
_COUNT = 16_000


def bytes_each(rig: Rig, kind: str) -> float:
    """The bytes for one "stackful" or "stackless" job with its wait context and operation, or for one bare paused
    "greenlet"."""
    return float(child_process.call(_bytes_each, rig, kind))


def _bytes_each(rig: Rig, kind: str) -> float:
    keep: list[Any] = []
    if kind == "greenlet":
        _grow_greenlets(keep, _WARM)
        taken = _measured(lambda: _grow_greenlets(keep, _COUNT))
        for bare in keep:
            bare.switch()
        return taken
    with ExitStack() as stack:
        # Nobody jumps this virtual clock, so all operations stay in flight.
        accel = stack.enter_context(rig.accelerator(depth=1 << 15, clock=rig.virtual_clock()))
        engine = stack.enter_context(Engine(accel, notify="callback"))
        _grow_jobs(engine, kind, keep, _WARM)
        taken = _measured(lambda: _grow_jobs(engine, kind, keep, _COUNT))
        for job, ctx in keep:
            job.cancel()
            ctx.close()
    return taken


def _measured(grow: Callable[[], None]) -> float:
    gc.collect()
    before_bytes = _resident_bytes()
    grow()
    return (_resident_bytes() - before_bytes) / _COUNT


def _grow_jobs(engine: Engine, kind: str, keep: list[Any], count: int) -> None:
    async def awaits() -> None:
        await engine.aio.call("null")

    def calls() -> None:
        engine.call("null")

    body = awaits if kind == "stackless" else calls
    for _ in range(count):
        ctx = WaitCtx()
        ctx.set_callback(_ignore)
        keep.append((start_job(body, wait_ctx=ctx), ctx))


def _ignore(arg: object) -> None:
    pass


def _grow_greenlets(keep: list[Any], count: int) -> None:
    main = getcurrent()

    def body() -> None:
        main.switch()

    for _ in range(count):
        bare = greenlet(body)
        bare.switch()
        keep.append(bare)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
