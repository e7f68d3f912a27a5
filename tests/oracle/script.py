"""The language of job scripts: programs of small operations that run the same on libcrypto and on simaccel.

A program has a list of operations for the host, which is the thread that starts and resumes jobs, and lists of
operations for jobs, which are called bodies. To run a program gives its trace: for each operation that has a result,
its Code and the result. Two sides agree if their traces are equal.

Handles are numbers. A *slot* holds one job at a time. Contexts, keys, callbacks and library contexts are counted from
0. If an operation would be undefined in C at that moment (to resume an empty slot, to start a slot that is taken, to
clean up while jobs are paused), both sides leave it out, and the trace has a SKIPPED.

At the end both sides resume the paused jobs until none is left, clean up the thread and free the contexts. They trace
that too. So nothing is left for the next program.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, auto
from typing import NamedTuple

SLOTS, CONTEXTS, KEYS, CALLBACKS, LIBCTXS = 6, 3, 4, 3, 3
NOTHING = -9
"""The value in a trace for NULL, for an output that was not written, and for none."""


class Code(IntEnum):
    """What an operation does, with its operands. driver.c has the same list in the same order."""

    # in bodies and on the host
    PAUSE = auto()  # -> ASYNC_pause_job's answer
    BLOCK = auto()
    UNBLOCK = auto()
    CURRENT = auto()  # -> slot of ASYNC_get_current_job(), or NOTHING
    COUNT = auto()  # -> a counter that all bodies share: asynctest.c's `ctr`
    INIT_THREAD = auto()  # max, init -> 1 or 0
    LIBCTX = auto()  # number -> the default library context before it was set to this one
    SET_FD = auto()  # ctx, key, fd, custom data, with cleanup? -> 1
    CLEAR_FD = auto()  # ctx, key -> 1 or 0
    GET_FD = auto()  # ctx, key -> 1, fd, custom data; or 0
    ALL_FDS = auto()  # ctx -> count, fds
    CHANGED_FDS = auto()  # ctx -> counts, added, deleted
    SET_CALLBACK = auto()  # ctx, callback or -1, arg -> 1
    GET_CALLBACK = auto()  # ctx -> 1, callback, arg; or 0
    CALL_CALLBACK = auto()  # ctx -> what the callback returned, or NOTHING without one
    SET_STATUS = auto()  # ctx, any int -> 1
    GET_STATUS = auto()  # ctx -> the int
    # in bodies only
    OWN_CTX = auto()  # -> number of the ctx of the current job, or NOTHING
    ARGS = auto()  # -> what the function was given: NOTHING, or length and bytes
    RETURN = auto()  # any int
    # on the host only
    START = auto()  # slot, ctx or -1, body, args or -1 -> status, ret, handle as expected? In a body: undefined in C
    RESUME = auto()  # slot, and as decoys: ctx, body, args -> status, ret, handle as expected?
    RUN = auto()  # RESUME if the slot has a job, else START, with the same operands
    JOB_CTX = auto()  # slot -> number of the ctx of that paused job, or NOTHING
    CLEANUP_THREAD = auto()
    FREE_CTX = auto()  # ctx; a new one takes its number
    # only in traces
    SKIPPED = auto()
    CLEANUP = auto()  # ctx, key, fd, custom data: a cleanup ran
    RAISED = auto()  # an exception, where C has an answer


class Op(NamedTuple):
    """One operation. Operands that it does not use are 0."""

    code: Code
    a: int = 0
    b: int = 0
    c: int = 0
    d: int = 0
    e: int = 0

    def __repr__(self) -> str:
        return f"Op({', '.join([self.code.name, *map(str, self[1:])])})"


@dataclass(frozen=True, slots=True)
class Program:
    """A script: what the host does, what the bodies do, and the byte strings that jobs are started with."""

    host: tuple[Op, ...]
    bodies: tuple[tuple[Op, ...], ...] = ((),)
    args: tuple[bytes, ...] = ()


Entry = tuple[str | int, ...]
"""One entry of a trace: the name of the operation, then what it saw."""

Trace = list[Entry]


def first_difference(program: Program, ours: Trace, theirs: Trace) -> str | None:
    """The first difference of two traces, with the entries before it; None if they are equal."""
    if ours == theirs:
        return None
    at = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    if at is None:
        at = min(len(ours), len(theirs))
    lines = [f"  {i:3} {entry}" for i, entry in enumerate(ours[:at])][-12:]
    lines.append(f"  {at:3} simaccel:  {ours[at] if at < len(ours) else 'ends here'}")
    lines.append(f"  {at:3} libcrypto: {theirs[at] if at < len(theirs) else 'ends here'}")
    return "\n".join([f"the traces part at entry {at} of {program}:", *lines])
