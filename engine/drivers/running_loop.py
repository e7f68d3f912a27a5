"""Which event loop runs in this thread, the warning for a call that blocks it, and the error where one is needed."""

from __future__ import annotations

import sys
import warnings
from asyncio import _get_running_loop, current_task

from engine.errors import BlocksLoopWarning, UsageError
from engine.methods import Operations

OURS = ("engine", "waitctx", "sim", "simaccel")


def loop_here() -> str | None:
    """The name of the library whose event loop runs in this thread: "asyncio", "trio" or None.

    If none runs, this costs about ten nanoseconds. trio is asked only if the program has imported it. Both may run in
    one thread, if one is a guest of the other (trio's guest mode, trio-asyncio). Then the running task decides.
    """
    loop = _get_running_loop()
    trio = sys.modules.get("trio")
    if trio is None or (loop is not None and current_task(loop) is not None):
        return None if loop is None else "asyncio"
    try:
        trio.lowlevel.current_task()
    except (AttributeError, RuntimeError):  # trio is just being imported, or does not run in this thread
        return None if loop is None else "asyncio"
    return "trio"


def warn_of_blocking(op: str, loop: str) -> None:
    """Warn the caller that this operation blocks the thread of an event loop. Warning filters apply."""
    method = op.replace("-", "_")
    call = f"{method}(...)" if hasattr(Operations, method) else f"call({op!r}, ...)"
    warnings.warn(
        f"engine.{call} keeps the thread of a running {loop} loop, so that no other task runs until it is done: "
        f"write `await engine.aio.{call}`, or run what calls it as a job, `await engine.aio.run(fn)`",
        BlocksLoopWarning,
        stacklevel=_callers_level(),
    )


def no_loop() -> UsageError:
    """The error to raise if an event loop is needed and none runs."""
    return UsageError(
        "neither asyncio nor trio runs in this thread: await engine.aio calls in an async def job, in asyncio or in "
        "trio, and call engine.sha256(...) itself elsewhere"
    )


def _callers_level() -> int:
    """The `stacklevel` with which `warnings.warn`, called by our caller, names the first frame outside of our code."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in OURS:
        level, frame = level + 1, frame.f_back
    return level
