"""Jobs, rule by rule: starting, pausing, ending, arguments, the current job. Each test runs on both sides."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import RunScript
from tests.conformance.rules import agrees
from tests.conformance.shorthand import (
    ARGS,
    COUNT,
    CURRENT,
    FINISHED,
    OWN_CTX,
    PAUSE,
    PAUSED,
    changed,
    clear_fd,
    resume,
    returns,
    set_fd,
    start,
    told,
)
from tests.oracle.libcrypto import Libcrypto
from tests.oracle.script import NOTHING, Code, Op


@agrees("ASYNC_start_job", "FINISH: returns the function's int (any int), and sets the job handle to NULL")
@pytest.mark.parametrize("value", [0, 1, -1, 2**31 - 1, -(2**31)])
def test_finish(run_script: RunScript, value: int) -> None:
    assert told(run_script, [start()], [returns(value)]) == [("START", FINISHED, value, True)]


@agrees("ASYNC_start_job", "PAUSE: the job handle is set, the return value untouched")
@agrees("ASYNC_start_job", "given a job, it resumes the job after its pause; the handle stays the same")
@agrees("ASYNC_pause_job", "switches to the caller of ASYNC_start_job; returns 1 after the resume")
def test_pause_and_resume(run_script: RunScript) -> None:
    body = [COUNT, PAUSE, COUNT, PAUSE, returns(7)]
    assert told(run_script, [start(), resume(), resume()], body) == [
        ("COUNT", 1),
        ("START", PAUSED, NOTHING, True),
        ("PAUSE", 1),
        ("COUNT", 2),
        ("RESUME", PAUSED, NOTHING, True),
        ("PAUSE", 1),
        ("RESUME", FINISHED, 7, True),
    ]


@agrees("ASYNC_start_job", "a resume ignores ctx, function, arguments and size")
def test_resume_ignores_its_arguments(run_script: RunScript) -> None:
    script = [start(ctx=1, args=0), resume(ctx=2, body=1, args=1)]
    trace = told(run_script, script, [PAUSE, ARGS, OWN_CTX, returns(3)], [returns(9)], args=[b"own", b"other"])
    assert trace[1:] == [("PAUSE", 1), ("ARGS", 3, *b"own"), ("OWN_CTX", 1), ("RESUME", FINISHED, 3, True)]


@agrees("ASYNC_start_job", "arguments are copied: the job does not see what the caller changes later")
def test_args_are_copied(run_script: RunScript) -> None:
    # Both sides overwrite the caller's bytes as soon as the call has returned.
    trace = told(run_script, [start(args=0), resume()], [ARGS, PAUSE, ARGS], args=[b"\0abc"])
    assert [entry for entry in trace if entry[0] == "ARGS"] == [("ARGS", 4, *b"\0abc")] * 2


@agrees("ASYNC_start_job", "no arguments: the function gets NULL")
def test_no_args(run_script: RunScript) -> None:
    assert told(run_script, [start()], [ARGS])[0] == ("ARGS", NOTHING)


@agrees("ASYNC_start_job", "arguments of size 0: the function gets NULL (libcrypto 3.0.17 and older: ASYNC_ERR)")
def test_args_of_size_zero(run_script: RunScript, libcrypto: Libcrypto, request: pytest.FixtureRequest) -> None:
    trace = told(run_script, [start(args=0)], [ARGS], args=[b""])
    if "[libcrypto]" in request.node.name and not libcrypto.takes_size_zero:
        assert trace == [("START", 0, NOTHING, True)]
    else:
        assert trace == [("ARGS", NOTHING), ("START", FINISHED, 0, True)]


@agrees("ASYNC_start_job", "a NULL ctx is allowed for a job that never pauses")
def test_job_without_ctx(run_script: RunScript) -> None:
    assert told(run_script, [start(ctx=-1)], [OWN_CTX]) == [("OWN_CTX", NOTHING), ("START", FINISHED, 0, True)]


@agrees("ASYNC_start_job", "jobs interleave in any order")
def test_jobs_interleave(run_script: RunScript) -> None:
    script = [start(0), start(1), start(2), resume(1), resume(0), resume(2)]
    trace = told(run_script, script, [CURRENT, PAUSE, CURRENT])
    assert [entry[1] for entry in trace if entry[0] == "CURRENT"] == [0, 1, 2, 1, 0, 2]


@agrees("ASYNC_pause_job", "outside of a job: returns 1 and does nothing, resets nothing")
def test_pause_outside(run_script: RunScript) -> None:
    trace = told(run_script, [set_fd(5), PAUSE, changed()])
    assert trace[1:] == [("PAUSE", 1), ("CHANGED_FDS", 1, 0, 5)]


@agrees("ASYNC_get_current_job", "the running job inside it; NULL outside, also right after ASYNC_start_job returned")
def test_current_job(run_script: RunScript) -> None:
    trace = told(run_script, [CURRENT, start(3), CURRENT, resume(3), CURRENT], [CURRENT, PAUSE, CURRENT])
    assert [entry[1] for entry in trace if entry[0] == "CURRENT"] == [NOTHING, 3, NOTHING, 3, NOTHING]


@agrees("ASYNC_get_wait_ctx", "the job's ctx while it runs and while it is paused")
def test_wait_ctx_of_a_job(run_script: RunScript) -> None:
    trace = told(run_script, [start(ctx=2), Op(Code.JOB_CTX), resume()], [OWN_CTX, PAUSE, OWN_CTX])
    assert [entry for entry in trace if entry[0].endswith("_CTX")] == [  # type: ignore[union-attr]
        ("OWN_CTX", 2),
        ("JOB_CTX", 2),
        ("OWN_CTX", 2),
    ]


@agrees(
    "the reset at a resume",
    "comes at the resume, not at the pause: until then, what the job did before the pause is reported",
)
@agrees("the reset at a resume", "changes that were made while the job was paused are not reported after the resume")
def test_changes_over_pauses(run_script: RunScript) -> None:
    body = [set_fd(5, key=0), PAUSE, clear_fd(key=0), set_fd(6, key=1), PAUSE, clear_fd(key=1)]
    script = [start(), changed(), changed(), resume(), changed(), set_fd(9, key=2), resume(), changed()]
    trace = told(run_script, script, body)
    assert [entry[1:] for entry in trace if entry[0] == "CHANGED_FDS"] == [
        (1, 0, 5),
        (1, 0, 5),
        (1, 1, 6, 5),
        (0, 1, 6),
    ]


@agrees("the reset at a resume", "a finish resets nothing, and neither does the start of a new job on the same ctx")
def test_finish_resets_nothing(run_script: RunScript) -> None:
    trace = told(run_script, [start(), changed(), start(body=1), changed()], [set_fd(5)], [])
    assert [entry[1:] for entry in trace if entry[0] == "CHANGED_FDS"] == [(1, 0, 5)] * 2


@agrees("the reset at a resume", "two jobs on one ctx: resuming either resets the reports of both")
def test_two_jobs_on_one_ctx(run_script: RunScript) -> None:
    script = [start(0), start(1, body=1), changed(), resume(0), changed(), resume(1), changed()]
    trace = told(run_script, script, [set_fd(5, key=0), PAUSE], [set_fd(6, key=1), PAUSE, clear_fd(key=0)])
    assert [entry[1:] for entry in trace if entry[0] == "CHANGED_FDS"] == [(2, 0, 6, 5), (0, 0), (0, 1, 5)]


@agrees("the reset at a resume", "resets the job's own ctx only")
def test_reset_of_own_ctx_only(run_script: RunScript) -> None:
    trace = told(run_script, [set_fd(5, ctx=1), start(ctx=0), resume(), changed(1)], [PAUSE])
    assert trace[-1] == ("CHANGED_FDS", 1, 0, 5)


@agrees(
    "the default library context",
    "each job has its own, at first the caller's; each switch restores the right one (here: context variables)",
)
def test_library_context(run_script: RunScript) -> None:
    def libctx(number: int) -> Op:
        return Op(Code.LIBCTX, number)

    # Each operation sets one and tells which one it replaced.
    script = [libctx(1), start(), libctx(0), resume(), libctx(0)]
    trace = told(run_script, script, [libctx(2), PAUSE, libctx(2)])
    assert [entry[1] for entry in trace if entry[0] == "LIBCTX"] == [0, 1, 1, 2, 0]
