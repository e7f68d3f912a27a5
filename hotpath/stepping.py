"""One step of a coroutine in a context of its own. Only compiled code calls it, and gets it from stepping.pyx.

As Python, a job does without it: it keeps two bound methods, because to bind them at each step would take a tenth of a
pause and resume. Compiled code needs no bound methods. So each paused job has two objects fewer, which saves memory and
work of the garbage collector.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from typing import Any


def step(context: Context, coro: Coroutine[Any, Any, Any]) -> Any:
    """Let the coroutine run to its next pause in that context, and return what it yields. Raises what it raises;
    StopIteration if it has ended."""
    return context.run(coro.send, None)
