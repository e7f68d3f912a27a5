"""Observers on wait contexts and jobs. They are put in place for a time; when they are not, they cost nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import hotpath
from engine.errors import UsageError
from engine.jobs.job import Job
from engine.jobs.stackful import StackfulJob
from engine.jobs.stackless import StacklessJob
from engine.openssl import ASYNC_start_job
from sim import VirtualClock
from simaccel.testing.misuse.fd_identity import closes
from simaccel.testing.misuse.rules import Rules
from simaccel.testing.misuse.track import Recorder
from waitctx import Callback, WaitCtx

OURS = ("engine", "waitctx", "sim", "simaccel")
"""Our own packages. What they read and call is not done by the application."""


@contextmanager
def observing(rules: Rules) -> Iterator[None]:
    """Inside the `with`, tell the rules what happens to all wait contexts and jobs, in all threads.

    Raises UsageError where the hot path is compiled.
    """
    if hotpath.COMPILED:
        raise UsageError(f"the misuse detector needs the Python of the hot path: set {hotpath.VARIABLE}=1")
    saved: list[tuple[type, str, Any]] = []

    def put(owner: type, name: str, make: Callable[[Any], Any]) -> None:
        original = owner.__dict__[name]
        saved.append((owner, name, original))
        setattr(owner, name, make(original))

    close = os.close
    try:
        for name, make in _on_contexts(rules).items():
            put(WaitCtx, name, make)
        for kind in (StackfulJob, StacklessJob):
            put(kind, "start", _start(rules))
            put(kind, "resume", _resume(rules))
        put(VirtualClock, "jump", _jump(rules))
        put(Job, "cancel", _cancel(rules))
        os.close = _counted(close)  # type: ignore[assignment]
        yield
    finally:
        os.close = close
        for owner, name, original in reversed(saved):
            setattr(owner, name, original)


def _on_contexts(rules: Rules) -> dict[str, Callable[[Any], Any]]:
    def init(original: Any) -> Any:
        def made(self: WaitCtx) -> None:
            original(self)
            if not rules.off:
                rules.ctx_made(self)

        return made

    def set_wait_fd(original: Any) -> Any:
        def set_wait_fd(self: WaitCtx, key: object, fd: int, custom_data: Any = None, cleanup: Any = None) -> None:
            original(self, key, fd, custom_data, cleanup)
            if not rules.off:
                rules.fd_set(self, key, fd)

        return set_wait_fd

    def clear_fd(original: Any) -> Any:
        def clear_fd(self: WaitCtx, key: object) -> None:
            original(self, key)
            if not rules.off:
                rules.fd_cleared(self, key)

        return clear_fd

    def close(original: Any) -> Any:
        def close(self: WaitCtx) -> None:
            if self.closed or rules.off:
                original(self)
                return
            rules.ctx_closing(self)
            try:
                original(self)
            finally:
                rules.ctx_closed(self)

        return close

    def callback(original: Any) -> Any:
        def callback(self: WaitCtx) -> Callback | None:
            found: Callback | None = original.fget(self)
            if not rules.off and not _is_ours(_caller()):
                rules.callback_read(self)
            if found is None or rules.off or isinstance(found.fn, Recorder):
                return found
            track = rules.track(self)
            return Callback(Recorder(found.fn, lambda: rules.called_back(track)), found.arg)

        return property(callback, doc=original.__doc__)

    def status(original: Any) -> Any:
        def get(self: WaitCtx) -> int:
            value: int = original.fget(self)
            if not rules.off and not _is_ours(_caller()):
                rules.status_read(self, value)
            return value

        def put(self: WaitCtx, value: int) -> None:
            original.fset(self, value)
            if not rules.off:
                rules.status_set(self, original.fget(self))

        return property(get, put, doc=original.__doc__)

    return {
        "__init__": init,
        "set_wait_fd": set_wait_fd,
        "clear_fd": clear_fd,
        "close": close,
        "callback": callback,
        "status": status,
    }


def _caller() -> FrameType:
    """The frame that called the observed function that calls this."""
    frame = sys._getframe(2)
    while frame.f_code.co_filename == __file__ and frame.f_back is not None:  # a detector inside of another detector
        frame = frame.f_back
    return frame


def _is_ours(caller: FrameType) -> bool:
    """Whether the caller is our own engine or scheduler, and not the code under test."""
    name: str = caller.f_globals.get("__name__", "")
    # waitctx.openssl reads on behalf of its caller, which is the code under test.
    return name.partition(".")[0] in OURS and name != "waitctx.openssl" and not name.startswith("simaccel.testing")


def _counted(original: Callable[[int], None]) -> Callable[[int], None]:
    def close(fd: int) -> None:
        original(fd)
        closes[fd] += 1

    return close


def _start(rules: Rules) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def start(self: Job) -> None:
            if rules.off:
                original(self)
                return
            rules.job_starting(self)
            try:
                original(self)
            except BaseException:
                if self.state.value == "new":
                    rules.job_not_started(self)
                else:
                    rules.job_ran(self)
                raise
            rules.job_ran(self)

        return start

    return make


def _resume(rules: Rules) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def resume(self: Job) -> None:
            if rules.off:
                original(self)
                return
            caller = _caller()
            if caller.f_code is ASYNC_start_job.__code__:
                rules.resumed_as(self, caller.f_locals["func"], caller.f_locals["ctx"])
            rules.job_resuming(self)
            try:
                original(self)
            finally:
                rules.job_ran(self)

        return resume

    return make


def _jump(rules: Rules) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def jump(self: VirtualClock) -> bool:
            moved: bool = original(self)
            if not rules.off and not _is_ours(_caller()):  # ours know what to do when nothing is due
                rules.jumped(moved)
            return moved

        return jump

    return make


def _cancel(rules: Rules) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def cancel(self: Job) -> bool:
            if rules.off:
                return original(self)  # type: ignore[no-any-return]
            try:
                return original(self)  # type: ignore[no-any-return]
            finally:
                rules.job_ran(self, cancelled=True)

        return cancel

    return make
