"""The model of an engine that sets a new wait fd for each operation, and clears and closes it afterwards.

Two operations without a pause in between clear one fd and set another one. The system gives the second fd the lowest
free number, which is that of the first. So the application is told of the same number as added and as deleted. If it
first takes up what was added and then drops what was deleted, it drops the fd for which the job now waits.

Here fds are only numbers, because a wait context does not use them.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine import pause_job, start_job
from simaccel.testing.exploration.run import Run
from waitctx import WaitCtx


class _Fds:
    """The open fds, and which of them are readable. A new fd gets the lowest free number, as in the system."""

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
    """`added_first`: whether the application has the bug. `pauses`: how many operations the job does, each with a
    pause."""

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
