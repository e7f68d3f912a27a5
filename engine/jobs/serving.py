"""The main function of a pooled greenlet.

This module is never compiled. A paused greenlet without a frame of Python would look to greenlet like one that runs.
"""

from __future__ import annotations

from typing import Any

from engine.jobs.greenlets import GreenletExit, getcurrent
from engine.jobs.thread import Outcome, ThreadState


def serve(thread: ThreadState, first: list[Any]) -> None:
    """The main function of a pooled greenlet: it runs the functions of jobs, one after the other."""
    # The list is emptied, because the greenlet keeps it for as long as it lives.
    args, fn = first.pop(), first.pop()
    while True:
        thread.outcome = None
        try:
            # Called like this, a function of Python runs in the C frame that the interpreter has already, and with
            # *args it would get one of its own. So the stack of a paused job, which greenlet copies at each switch, is
            # a fifth smaller.
            outcome = Outcome(fn() if not args else fn(args[0]) if len(args) == 1 else fn(*args), None)
        except GreenletExit as error:
            if thread.current is None or thread.current._slot is not getcurrent():
                # The job became garbage while it was paused, so nobody will ever end it: give back what it held.
                thread.alive -= 1
                thread.pool.idle.append(None)
                raise
            outcome = Outcome(None, error)  # the function itself has raised GreenletExit
        except BaseException as error:
            outcome = Outcome(None, error)
        thread.outcome = outcome
        del fn, args
        assert thread.dispatcher is not None
        del outcome
        work = thread.dispatcher.switch()
        fn, args = work
        del work
