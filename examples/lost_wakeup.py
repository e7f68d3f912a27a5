"""`explore` finds a lost wake-up that no ordinary test would: run this file, and see the shortest order that hangs.

The engine reads its wait fd before each pause, to start clean. Line by line that looks right, and every test passes in
which the card is slow. But the card may finish between the look at `done` and the read: the read then takes the token
of this very operation, and nothing wakes the job again.
"""

import os
import select
from contextlib import suppress

from simaccel import WaitCtx, pause_job, start_job
from simaccel.testing import ScheduleFailure, explore


class MyEngine:
    def __init__(self):
        self.fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.submitted = self.done = False

    async def call(self, ctx):
        ctx.set_wait_fd(self, self.fd, None, lambda ctx, key, fd, data: os.close(fd))
        self.submitted = True
        while not self.done:
            self.drain()  # the bug: it belongs after the pause
            await pause_job()

    def drain(self):
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def interrupt(self):  # in the card's own thread
        self.done = True
        os.eventfd_write(self.fd, 1)


class OneJob:
    """The model: an application that drives one job, and the card that completes its operation."""

    step_into = (MyEngine,)  # each statement of it is a step, and others may come in between

    def __call__(self, run):
        engine, ctx = MyEngine(), WaitCtx()
        run.cleanup(ctx.close)

        def application():
            job = start_job(engine.call, ctx, wait_ctx=ctx)
            while job.paused:
                run.wait("resume", lambda: select.select([engine.fd], [], [], 0)[0])
                job.resume()

        def card():
            run.wait("interrupt", lambda: engine.submitted)
            engine.interrupt()

        run.actor("application", application)
        run.actor("card", card)


if __name__ == "__main__":
    try:
        explore(OneJob())
    except ScheduleFailure as failure:
        print(failure)
