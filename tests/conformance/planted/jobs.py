"""Bugs in jobs, their pool and their block counter. Random job scripts must notice each of them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any

import pytest

from engine import Job, current_job, pause_job
from engine import openssl as door
from engine.errors import UsageError
from engine.jobs.pool import Pool
from engine.jobs.thread import LOCAL, cleanup_pool, init_pool
from tests.conformance.job_scripts import run_job_scripts
from tests.conformance.planted.plant import caught_by
from tests.conformance.profile import first_failure

_start_job, _check_room, _end, _new_pool = door.ASYNC_start_job, Pool.check_room, Job._end, Pool.__init__


def job_scripts() -> None:
    run_job_scripts(first_failure(3_000), 1)


@caught_by(job_scripts)
def pool_limit_off_by_one(patch: pytest.MonkeyPatch) -> None:
    def check_room(self: Pool) -> None:
        self.max_size += 1 if self.max_size else 0
        try:
            _check_room(self)
        finally:
            self.max_size -= 1 if self.max_size else 0

    patch.setattr(Pool, "check_room", check_room)


@caught_by(job_scripts)
def jobs_made_in_advance_do_not_count(patch: pytest.MonkeyPatch) -> None:
    def init(self: Pool, max_size: int, init_size: int) -> None:
        _new_pool(self, max_size, init_size)
        self.created = 0

    patch.setattr(Pool, "__init__", init)


@caught_by(job_scripts)
def finished_jobs_not_reused(patch: pytest.MonkeyPatch) -> None:
    def end(self: Job) -> None:
        _end(self)
        LOCAL.state.pool.idle.pop()

    patch.setattr(Job, "_end", end)


@caught_by(job_scripts)
def init_above_max_taken_without_a_limit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(door, "init_pool", lambda max_size, init: init_pool(max_size, init if max_size else 0))


@caught_by(job_scripts)
def invalid_pool_size_replaces_the_pool(patch: pytest.MonkeyPatch) -> None:
    def init_anyway(max_size: int, init_size: int) -> None:
        init_pool(max_size, min(init_size, max_size))
        if init_size > max_size:
            raise UsageError

    patch.setattr(door, "init_pool", init_anyway)


@caught_by(job_scripts)
def new_pool_counts_the_old_jobs(patch: pytest.MonkeyPatch) -> None:
    def init_and_count(max_size: int, init_size: int) -> None:
        busy = LOCAL.state.alive
        init_pool(max_size, init_size)
        LOCAL.state.pool.created += busy

    patch.setattr(door, "init_pool", init_and_count)


@caught_by(job_scripts)
def block_counter_ends_with_its_job(patch: pytest.MonkeyPatch) -> None:
    def end(self: Job) -> None:
        _end(self)
        LOCAL.state.blocked = 0

    patch.setattr(Job, "_end", end)


@caught_by(job_scripts)
def block_counter_kept_per_job(patch: pytest.MonkeyPatch) -> None:
    counters: dict[int, int] = {}

    def start_job(job: Job | None, *rest: Any) -> Any:
        outside, LOCAL.state.blocked = LOCAL.state.blocked, counters.pop(id(job), 0)
        answer = _start_job(job, *rest)
        if answer[1] is not None:
            counters[id(answer[1])] = LOCAL.state.blocked
        LOCAL.state.blocked = outside
        return answer

    patch.setattr(door, "ASYNC_start_job", start_job)


@caught_by(job_scripts)
def block_outside_of_a_job_counts(patch: pytest.MonkeyPatch) -> None:
    def block() -> None:
        LOCAL.state.blocked += 1

    patch.setattr(door, "block_pause", block)


@caught_by(job_scripts)
def unblock_goes_below_zero(patch: pytest.MonkeyPatch) -> None:
    def unblock() -> None:
        if current_job() is not None:
            LOCAL.state.blocked -= 1

    patch.setattr(door, "unblock_pause", unblock)


@caught_by(job_scripts)
def cleanup_keeps_the_block_counter(patch: pytest.MonkeyPatch) -> None:
    def cleanup() -> None:
        blocked = LOCAL.state.blocked
        cleanup_pool()
        LOCAL.state.blocked = blocked

    patch.setattr(door, "cleanup_pool", cleanup)


@caught_by(job_scripts)
def blocked_pause_resets_the_changes(patch: pytest.MonkeyPatch) -> None:
    def pause() -> Any:
        job = current_job()
        if job is not None and job.wait_ctx is not None and LOCAL.state.blocked:
            job.wait_ctx.reset_counts()
        return pause_job()

    patch.setattr(door, "pause_job", pause)


@caught_by(job_scripts)
def reset_at_the_pause_not_at_the_resume(patch: pytest.MonkeyPatch) -> None:
    def pause() -> Any:
        job = current_job()
        if job is not None and job.wait_ctx is not None and not LOCAL.state.blocked:
            job.wait_ctx.reset_counts()
        return pause_job()

    patch.setattr(door, "pause_job", pause)


@caught_by(job_scripts)
def finish_resets_the_changes(patch: pytest.MonkeyPatch) -> None:
    def end(self: Job) -> None:
        if self.wait_ctx is not None:
            self.wait_ctx.reset_counts()
        _end(self)

    patch.setattr(Job, "_end", end)


@caught_by(job_scripts)
def resume_takes_the_new_ctx(patch: pytest.MonkeyPatch) -> None:
    def start_job(job: Job | None, ctx: Any, *rest: Any) -> Any:
        if job is not None and ctx is not None:
            job.wait_ctx = ctx
        return _start_job(job, ctx, *rest)

    patch.setattr(door, "ASYNC_start_job", start_job)


@caught_by(job_scripts)
def current_job_stays_after_a_pause(patch: pytest.MonkeyPatch) -> None:
    last: list[Job | None] = [None]

    def current() -> Job | None:
        last[0] = current_job() or (last[0] if last[0] is not None and last[0].paused else None)
        return last[0]

    patch.setattr(door, "current_job", current)


@caught_by(job_scripts)
def args_not_copied(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(door, "bytes", lambda view: view, raising=False)


@caught_by(job_scripts)
def empty_args_reach_the_function(patch: pytest.MonkeyPatch) -> None:
    def start_job(job: Job | None, ctx: Any, func: Callable[[bytes | None], int], args: bytes | None) -> Any:
        return _start_job(job, ctx, lambda given: func(b"" if args is not None and not args else given), args)

    patch.setattr(door, "ASYNC_start_job", start_job)


@caught_by(job_scripts)
def negative_values_come_back_unsigned(patch: pytest.MonkeyPatch) -> None:
    def start_job(*given: Any) -> Any:
        status, job, value = _start_job(*given)
        return status, job, value and value & 0xFFFFFFFF

    patch.setattr(door, "ASYNC_start_job", start_job)


@caught_by(job_scripts)
def job_starts_in_an_empty_context(patch: pytest.MonkeyPatch) -> None:
    """What stands for the default library context is not inherited from the caller."""
    patch.setattr("engine.jobs.stackful.copy_context", Context)
