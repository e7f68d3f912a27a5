"""Checks that a thread is in order after an exception that came anywhere in its jobs."""

from __future__ import annotations

from engine import pause_job, start_job
from engine.jobs.thread import LOCAL


def check_thread() -> None:
    """Check that this thread is in no job, and can start and end one of either kind."""
    thread = LOCAL.state
    assert thread.current is None
    assert thread.dispatcher is None
    assert not thread.pausing

    async def awaits() -> int:
        await pause_job()
        return 2

    def pauses() -> int:
        pause_job()
        return 1

    for body, value in ((pauses, 1), (awaits, 2)):
        job = start_job(body)
        assert job.paused
        job.resume()
        assert job.result() == value
