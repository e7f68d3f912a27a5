"""The end of the interpreter: nothing may wait for another thread then.

Once the interpreter ends, only the thread that ends it runs Python. The others, a device's worker among them, have
stopped where they were, perhaps while they held a lock, and never go on. But code still runs: finalisers, generators
and jobs that are closed by the garbage collector. Whatever of ours such code may reach, and that would wait for a
thread or take a lock, asks `interpreter_ends` first.
"""

from __future__ import annotations

import sys
from typing import Final

from engine.errors import ClosedError

interpreter_ends: Final = sys.is_finalizing
"""Whether no other thread runs any more. Does not block."""


def refuse_at_the_end() -> None:
    """Raise ClosedError if the interpreter ends: what is called now would wait for a thread that does not run."""
    if interpreter_ends():
        raise ClosedError("the interpreter ends, and the device's thread with it: call engines before that, or atexit")
