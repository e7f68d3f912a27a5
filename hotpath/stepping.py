"""One step of a coroutine in a context of its own, for compiled code; stepping.pyx stands for this file there.

Python keeps the two bound methods that this needs instead, because binding them at each step takes a tenth of a pause
and resume. Compiled code needs no bound methods, which are two objects less for each paused job: less memory, and less
to visit for the garbage collector.
"""

from __future__ import annotations

from collections.abc import Coroutine
from contextvars import Context
from typing import Any


def step(context: Context, coro: Coroutine[Any, Any, Any]) -> Any:
    """Let the coroutine run to its next pause in that context, and return what it yields. Raises what it raises;
    StopIteration if it has ended."""
    return context.run(coro.send, None)
