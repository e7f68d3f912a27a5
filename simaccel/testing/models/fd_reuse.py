"""The model of an engine that sets a new wait fd for each operation, and clears and closes it afterwards.

Two operations without a pause in between clear one fd and set another, and the system gives the second the number of
the first, the lowest that is free: the application is told of one number as added and as deleted, at once. Taking up
what was added before dropping what was deleted, it drops the fd that the job now waits for.

Here fds are numbers only; a wait context does not look at them.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import pause_job, start_job
from simaccel.testing.exploration.run import Run
from waitctx import WaitCtx


class _Fds:
    """Open fds, and which are readable. The lowest free number comes first, as the system has it."""

    def __init__(self) -> None:
        self.readable: dict[int, bool] = {}

    def open(self) -> int:
        fd = next(fd for fd in range(3, 100) if fd not in self.readable)
        self.readable[fd] = False
        return fd

    def close(self, fd: int) -> None:
        del self.readable[fd]


@dataclass(frozen=True)
class FdReuseModel:
    """`added_first`: the application's bug. `pauses`: how many operations the job does, with a pause each."""

    name: str = "fd_reuse"
    added_first: bool = False
    operations: int = 2

    def __call__(self, run: Run) -> None:
        fds, ctx = _Fds(), WaitCtx()
        run.cleanup(ctx.close)
        in_flight: list[int] = []
        watched: set[int] = set()
        ended: list[bool] = []

        async def work() -> None:
            for key in range(self.operations):
                fd = fds.open()
                ctx.set_wait_fd(key, fd)
                in_flight.append(fd)
                while not fds.readable[fd]:
                    await pause_job()
                ctx.clear_fd(key)
                fds.close(fd)

        def take_changes() -> None:
            added, deleted = ctx.changed_fds()
            if self.added_first:
                watched.update(added)
                watched.difference_update(deleted)
            else:
                watched.difference_update(deleted)
                watched.update(added)

        def application() -> None:
            job = start_job(work, wait_ctx=ctx)
            while job.paused:
                run.step("changed_fds")
                take_changes()
                run.wait("resume", lambda: any(fds.readable[fd] for fd in watched))
                job.resume()
            job.result()
            ended.append(True)

        def device() -> None:
            while True:
                run.wait("complete", lambda: in_flight or ended)
                if not in_flight:
                    return
                fds.readable[in_flight.pop(0)] = True

        run.actor("application", application)
        run.actor("device", device)
