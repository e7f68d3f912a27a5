"""The end of the interpreter. Nothing may wait for another thread then.

While the interpreter ends, only the thread that ends it runs Python. All other threads, such as a device's worker, have
stopped where they were, perhaps while they held a lock, and never go on. But some code still runs: finalisers, and
generators and jobs that the garbage collector closes. If such code may reach code of ours that waits for a thread or
takes a lock, our code calls `interpreter_ends` first.
"""

from __future__ import annotations

import sys
from typing import Final

from engine.errors import ClosedError

interpreter_ends: Final = sys.is_finalizing
"""Returns whether the interpreter ends, so that no other thread runs any more. Does not block."""


def refuse_at_the_end() -> None:
    """Raise ClosedError if the interpreter ends, because the call would wait for a thread that never runs again."""
    if interpreter_ends():
        raise ClosedError("the interpreter ends, and the device's thread with it: call engines before that, or atexit")
