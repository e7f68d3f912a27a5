"""The end of the interpreter. Nothing may wait for another thread then.

While the interpreter ends, only the thread that ends it runs Python. All others, also a device's worker, have stopped
where they were, perhaps holding a lock, and never go on. But some code still runs: finalisers, and generators and jobs
that the garbage collector closes. Our code that such code may reach, and that would wait for a thread or take a lock,
calls `interpreter_ends` first.
"""

from __future__ import annotations

import sys
from typing import Final

from engine.errors import ClosedError

interpreter_ends: Final = sys.is_finalizing
"""Returns whether no other thread runs any more. Does not block."""


def refuse_at_the_end() -> None:
    """Raise ClosedError if the interpreter ends: the call would wait for a thread that does not run any more."""
    if interpreter_ends():
        raise ClosedError("the interpreter ends, and the device's thread with it: call engines before that, or atexit")
