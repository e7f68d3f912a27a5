"""Runs job scripts (see script.py) with simaccel's C API. It does in Python what driver.c does in C."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from engine import Job, pause_job
from engine import openssl as jobs
from tests.oracle.script import CALLBACKS, CONTEXTS, KEYS, NOTHING, SLOTS, Code, Op, Program, Trace
from waitctx import WaitCtx
from waitctx import openssl as waits

_LIBCTX: ContextVar[int] = ContextVar("default library context", default=0)
"""simaccel has no library contexts. We do with every context variable what libcrypto does with its library context."""

_KEYS = [object() for _ in range(KEYS)]


def _callback(first: int) -> Callable[[int], int]:
    return lambda arg: first + arg


_CALLBACKS: list[Callable[[Any], object]] = [_callback(100 * (n + 1)) for n in range(CALLBACKS)]


def run(program: Program) -> Trace:
    """The trace of a program on simaccel, its bodies as plain functions: stackful jobs."""
    return _Run(program).run()


def run_async(program: Program) -> Trace:
    """The same with bodies that are coroutines: stackless jobs."""
    return _Run(program, stackless=True).run()


@dataclass(slots=True)
class _Slot:
    handle: Job | None = None
    """The job that is paused here, or runs."""


@dataclass(slots=True)
class _Run:
    program: Program
    stackless: bool = False
    trace: Trace = field(default_factory=list)
    contexts: list[WaitCtx] = field(default_factory=lambda: [waits.ASYNC_WAIT_CTX_new() for _ in range(CONTEXTS)])
    slots: list[_Slot] = field(default_factory=lambda: [_Slot() for _ in range(SLOTS)])
    counter: int = 0

    def run(self) -> Trace:
        for op in self.program.host:
            self.host(op)
        while (at := self.paused()) is not None:
            self.host(Op(Code.RESUME, at, -1, 0, -1))
        self.host(Op(Code.CLEANUP_THREAD))
        self.host(Op(Code.LIBCTX))
        for index in range(CONTEXTS):
            self.free_ctx(index)
        return self.trace

    def say(self, code: Code, *values: int) -> None:
        self.trace.append((code.name, *values))

    # What host and bodies have in common

    def step(self, op: Op) -> bool:
        ctx = self.contexts[op.a] if 0 <= op.a < CONTEXTS else None
        match op.code:
            case Code.PAUSE:
                self.say(Code.PAUSE, jobs.ASYNC_pause_job())
            case Code.BLOCK:
                jobs.ASYNC_block_pause()
            case Code.UNBLOCK:
                jobs.ASYNC_unblock_pause()
            case Code.CURRENT:
                self.say(Code.CURRENT, self.slot_of(jobs.ASYNC_get_current_job()))
            case Code.COUNT:
                self.counter += 1
                self.say(Code.COUNT, self.counter)
            case Code.INIT_THREAD:
                self.say(Code.INIT_THREAD, jobs.ASYNC_init_thread(op.a, op.b))
            case Code.LIBCTX:
                self.say(Code.LIBCTX, _LIBCTX.get())
                _LIBCTX.set(op.a)
            case _:
                return self.wait_step(op, ctx)
        return True

    def wait_step(self, op: Op, ctx: WaitCtx | None) -> bool:
        say = self.say
        match op.code:
            case Code.SET_FD:
                cleanup = self.cleanup if op.e else None
                say(op.code, waits.ASYNC_WAIT_CTX_set_wait_fd(ctx, _KEYS[op.b], op.c, op.d, cleanup))
            case Code.CLEAR_FD:
                say(op.code, waits.ASYNC_WAIT_CTX_clear_fd(ctx, _KEYS[op.b]))
            case Code.GET_FD:
                found, fd, data = waits.ASYNC_WAIT_CTX_get_fd(ctx, _KEYS[op.b])
                say(op.code, found, *([] if fd is None else [fd, data]))
            case Code.ALL_FDS:
                _, fds = waits.ASYNC_WAIT_CTX_get_all_fds(ctx)
                say(op.code, len(fds), *fds)
            case Code.CHANGED_FDS:
                _, added, deleted = waits.ASYNC_WAIT_CTX_get_changed_fds(ctx)
                say(op.code, len(added), len(deleted), *added, *deleted)
            case Code.SET_CALLBACK:
                callback = None if op.b < 0 else _CALLBACKS[op.b]
                say(op.code, waits.ASYNC_WAIT_CTX_set_callback(ctx, callback, op.c))
            case Code.GET_CALLBACK:
                found, fn, arg = waits.ASYNC_WAIT_CTX_get_callback(ctx)
                say(op.code, found, *([] if fn is None else [_CALLBACKS.index(fn), arg]))
            case Code.CALL_CALLBACK:
                _, fn, arg = waits.ASYNC_WAIT_CTX_get_callback(ctx)
                answer: Any = NOTHING if fn is None else fn(arg)
                say(op.code, answer)
            case Code.SET_STATUS:
                say(op.code, waits.ASYNC_WAIT_CTX_set_status(ctx, op.b))
            case Code.GET_STATUS:
                say(op.code, waits.ASYNC_WAIT_CTX_get_status(ctx))
            case _:
                return False
        return True

    def cleanup(self, ctx: WaitCtx, key: object, fd: int, data: int) -> None:
        at = next((i for i, known in enumerate(self.contexts) if known is ctx), NOTHING)
        self.say(Code.CLEANUP, at, _KEYS.index(key), fd, data)

    def slot_of(self, job: Job | None) -> int:
        if job is None:
            return NOTHING
        return next((i for i, slot in enumerate(self.slots) if slot.handle is job), -1)

    def ctx_number(self, job: Job | None) -> int:
        ctx = jobs.ASYNC_get_wait_ctx(job)
        return next((i for i, known in enumerate(self.contexts) if known is ctx), NOTHING)

    # The job

    def body(self, slot: _Slot, index: int) -> Callable[[bytes | None], Any]:
        def run_body(given: bytes | None) -> int:
            slot.handle = jobs.ASYNC_get_current_job()
            for op in self.program.bodies[index]:
                if op.code is Code.RETURN:
                    return op.a
                if not self.step(op):
                    self.body_step(op, given)
            return 0

        async def run_coroutine(given: bytes | None) -> int:
            slot.handle = jobs.ASYNC_get_current_job()
            for op in self.program.bodies[index]:
                if op.code is Code.RETURN:
                    return op.a
                if op.code is Code.PAUSE:
                    await pause_job()
                    self.say(Code.PAUSE, 1)
                elif not self.step(op):
                    self.body_step(op, given)
            return 0

        return run_coroutine if self.stackless else run_body

    def body_step(self, op: Op, given: bytes | None) -> None:
        if op.code is Code.START:
            self.run_job(op)
        elif op.code is Code.OWN_CTX:
            self.say(Code.OWN_CTX, self.ctx_number(jobs.ASYNC_get_current_job()))
        elif op.code is Code.ARGS:
            self.say(Code.ARGS, *([NOTHING] if given is None else [len(given), *given]))

    # The host

    def host(self, op: Op) -> None:
        try:
            self.host_step(op)
        except Exception as error:
            # C has no exceptions, so the traces differ at this entry, and the report shows it.
            self.trace.append((Code.RAISED.name, f"{op}: {error!r}"))

    def host_step(self, op: Op) -> None:
        match op.code:
            case Code.RUN:
                self.run_job(op._replace(code=Code.RESUME if self.slots[op.a].handle else Code.START))
            case Code.START | Code.RESUME:
                self.run_job(op)
            case Code.JOB_CTX:
                job = self.slots[op.a].handle
                if job is None:
                    self.say(Code.SKIPPED, op.code)
                else:
                    self.say(op.code, self.ctx_number(job))
            case Code.CLEANUP_THREAD if self.paused() is None:
                jobs.ASYNC_cleanup_thread()
                self.say(op.code, 1)
            case Code.CLEANUP_THREAD:
                self.say(Code.SKIPPED, op.code)
            case Code.FREE_CTX:
                self.free_ctx(op.a)
            case _:
                self.step(op)

    def run_job(self, op: Op) -> None:
        slot = self.slots[op.a]
        before = slot.handle
        if (before is None) != (op.code is Code.START):
            self.say(Code.SKIPPED, op.code)
            return
        # A bytearray, because it can be changed below: our side must copy it as C does.
        args: Any = None if op.d < 0 else bytearray(self.program.args[op.d])
        ctx = None if op.b < 0 else self.contexts[op.b]
        try:
            status, job, ret = jobs.ASYNC_start_job(before, ctx, self.body(slot, op.c), args)
        except Exception:
            slot.handle = None  # so that it is not resumed for ever
            raise
        if args:
            args[:] = b"\xee" * len(args)  # the job has its own copy, or the next ARGS shows it
        said = NOTHING if ret is None else ret
        if status == jobs.ASYNC_PAUSE:
            expected = job is slot.handle and job is not None and (before is None or before is job)
            self.say(op.code, status, said, expected)
        else:
            self.say(op.code, status, said, job is None)
            slot.handle = None

    def paused(self) -> int | None:
        return next((i for i, slot in enumerate(self.slots) if slot.handle is not None), None)

    def free_ctx(self, index: int) -> None:
        ctx = self.contexts[index]
        if any(slot.handle is not None and jobs.ASYNC_get_wait_ctx(slot.handle) is ctx for slot in self.slots):
            self.say(Code.SKIPPED, Code.FREE_CTX)
            return
        self.say(Code.FREE_CTX, index)
        waits.ASYNC_WAIT_CTX_free(ctx)
        self.contexts[index] = waits.ASYNC_WAIT_CTX_new()
