"""The arguments that ASYNC_start_job ignores when it resumes a job, as it does in C."""

from __future__ import annotations

from engine.jobs.job import Job


def ignored_at_resume(job: Job, fn: object, ctx: object) -> str | None:
    """What the caller gave and the job ignores, as text; None if it ignores nothing. A None as argument is fine."""
    if fn is not None and not _same_function(fn, job.fn):
        name = getattr(fn, "__qualname__", fn)
        return (
            f"the function {name}, which is ignored: a job runs what it was started with; to start another job give "
            "None as the job"
        )
    if ctx is not None and ctx is not job.wait_ctx:
        return "another wait context than its own, which is ignored: a job waits with the one it was started with"
    return None


def _same_function(one: object, other: object) -> bool:
    """Whether the two are the same function, or made by the same line, as a lambda in the call is."""
    one, other = getattr(one, "func", one), getattr(other, "func", other)  # of partials
    code = getattr(one, "__code__", None)
    return one == other or (code is not None and code is getattr(other, "__code__", None))
