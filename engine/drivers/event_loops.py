"""Which event loop runs in this thread, and the warnings and errors for calls that block it or need another one."""

from __future__ import annotations

import sys
import warnings
from asyncio import _get_running_loop

from engine.errors import BlocksLoopWarning, UsageError
from engine.methods import Operations

OURS = ("engine", "waitctx", "sim", "simaccel")


def loop_here() -> str | None:
    """The name of the library whose event loop runs in this thread: "asyncio", "trio" or None.

    If none runs, this costs about ten nanoseconds. trio is asked only if the program has imported it.
    """
    if _get_running_loop() is not None:
        return "asyncio"
    trio = sys.modules.get("trio")
    if trio is None:
        return None
    try:
        trio.lowlevel.current_task()
    except (AttributeError, RuntimeError):  # trio is just being imported, or does not run in this thread
        return None
    return "trio"


def warn_of_blocking(op: str, loop: str) -> None:
    """Warn the caller that this operation blocks the thread of an event loop. Warning filters apply."""
    method = op.replace("-", "_")
    call = f"{method}(...)" if hasattr(Operations, method) else f"call({op!r}, ...)"
    name, _, arguments = call.partition("(")
    cure = f"`await engine.aio.{call}`, or run what calls it as a job, `await engine.aio.run(fn)`"
    if loop == "trio":
        cure = f"`await trio.to_thread.run_sync(engine.{name}, {arguments.rstrip(')')})`"
    warnings.warn(
        f"engine.{call} keeps the thread of a running {loop} loop, so that no other task runs until it is done: "
        f"write {cure}",
        BlocksLoopWarning,
        stacklevel=_callers_level(),
    )


def no_asyncio() -> UsageError:
    """The error to raise if an asyncio loop is needed and none runs."""
    if loop_here() == "trio":
        return UsageError(
            "engine.aio works in an async def job and in asyncio, and this is trio: write "
            "`await trio.to_thread.run_sync(engine.sha256, data)`, or start a job with start_job and resume it when "
            "`await trio.lowlevel.wait_readable(fd)` of its wait fd returns"
        )
    return UsageError(
        "no asyncio loop runs in this thread: await engine.aio calls in an async def job or in asyncio, "
        "and call engine.sha256(...) itself elsewhere"
    )


def _callers_level() -> int:
    """The `stacklevel` with which `warnings.warn`, called by our caller, names the first frame outside of our code."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    return level
