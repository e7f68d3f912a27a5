"""Drivers: what resumes paused jobs. There are two: the scheduler, and the driver of an event loop (`loop_driver`),
which reaches asyncio by `asyncio_loop` and trio by `trio_loop`.

`waits_for` finds out what a paused job waits for. The rest belongs to the scheduler: `seats` has the wait contexts that
its jobs use, `ready_seats` turns readable fds (`poller`) and callbacks into jobs that are ready, `retry_queue` has the
jobs that it must retry after EAGAIN, and `pump` polls engines and jumps virtual clocks. `running_loop` warns of calls
that would block a running loop.
"""
