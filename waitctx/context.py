"""The wait context: fds by key, a callback, a status.

Rules, as in OpenSSL's crypto/async/async_wait.c:

- Setting a key always puts a new entry in front. An older entry with the same key stays, and is listed too.
- Every look-up meets the newest entry first. Keys are compared by identity.
- The list of changes says which entries were added and which were deleted since the last resume of the job
  (`reset_counts`). Nothing but a resume starts a new list.
- If an entry is cleared before the first resume after it was set, it disappears without a trace. If it is cleared
  later, it is marked as deleted, and is listed as deleted until the next resume. Clearing never runs a cleanup.
- Closing runs the cleanups of all entries that were not cleared, newest first.

A context has no lock, and knows no job and no thread. It belongs to the code that drives the job.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

from waitctx.errors import ClosedError, UnknownKeyError, UsageError
from waitctx.status import Status, as_status

Cleanup = Callable[["WaitCtx", Any, int, Any], object]
"""Called as cleanup(ctx, key, fd, custom_data) when the context is closed. It must not use the context."""

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1
_tuple = tuple.__new__
"""_tuple(kind, values) makes a named tuple. Its own `__new__` is a function of Python, and takes 0.3 us more where this
module is compiled."""


class WaitFd(NamedTuple):
    """What is stored under a key."""

    fd: int
    custom_data: Any


class ChangedFds(NamedTuple):
    """What was added and what was deleted since the last resume, each newest first."""

    added: list[int]
    deleted: list[int]


class Callback(NamedTuple):
    """A function that is called as fn(arg), perhaps on another thread, and perhaps before the job has paused."""

    fn: Callable[[Any], object]
    arg: Any


class _Entry:
    __slots__ = ("added", "cleanup", "custom_data", "deleted", "fd", "key")

    def __init__(self, key: object, fd: int, custom_data: Any, cleanup: Cleanup | None) -> None:
        self.key = key
        self.fd = fd
        self.custom_data = custom_data
        self.cleanup = cleanup
        self.added = True
        self.deleted = False


_NO_ENTRIES: list[_Entry] = []
"""Shared by all contexts that have none; never filled."""


_BEING_FREED = "is being freed: a cleanup must not touch it"
_INTERRUPTED = "was being freed when an exception came in between: call close() again to run the cleanups that are left"
_FREED = "was freed"


class WaitCtx:
    """A wait context (ASYNC_WAIT_CTX). A context manager: leaving it is ASYNC_WAIT_CTX_free.

    One thread at a time. Nothing here blocks. Every method raises ClosedError once `close` has begun, also inside
    the cleanups that it runs; in C that is a use after free.
    """

    __slots__ = ("__weakref__", "_callback", "_entries", "_phase", "_raised", "has_changes", "memo", "stored_status")

    def __init__(self) -> None:
        # Oldest first, so that the newest is put and taken at the end. A context that works by callback never has any
        # entry, and a list of its own would only be one more object for the garbage collector to visit.
        self._entries = _NO_ENTRIES
        self._callback: Callback | None = None
        self.stored_status: int = Status.UNSUPPORTED
        """The same value as `status`, without the check that the context is open. For hot paths, which only read it."""
        self._phase: str | None = None  # None while the context is open; after that, how messages say that it is not
        self.has_changes = False
        """Whether `changed_fds` has anything to report. The resume of a job calls `reset_counts` only if it has."""
        self.memo: Any = None
        """Where an engine keeps what it found out about this context, so that its next operation need not look again.
        The context sets it to None whenever an fd or the callback changes. One engine's memo replaces another's."""
        self._raised: list[BaseException]
        """What the cleanups raised. Set by the first `close`."""

    # fds

    def set_wait_fd(self, key: object, fd: int, custom_data: Any = None, cleanup: Cleanup | None = None) -> None:
        """Put a new entry in front, even if the context already has an entry with this key or this fd.

        `fd` may be any C int, because a context never uses its fds. `cleanup(ctx, key, fd, custom_data)` runs at close,
        unless the entry was cleared before. Raises UsageError if `fd` is not a C int, and if `cleanup` is neither None
        nor callable.
        """
        self._check_open()
        if not isinstance(fd, int):
            raise UsageError(f"fd must be an int, not {fd!r}; pass file.fileno() for a file")
        if not _INT_MIN <= fd <= _INT_MAX:
            raise UsageError(f"fd {fd} does not fit a C int")
        if cleanup is not None and not callable(cleanup):
            raise UsageError(f"cleanup must be callable or None, not {cleanup!r}")
        entry = _Entry(key, fd, custom_data, cleanup)
        if self._entries:
            self._entries.append(entry)
        else:
            self._entries = [entry]
        self.has_changes = True
        self.memo = None

    def get_fd(self, key: object) -> WaitFd:
        """The newest entry of that key. Raises UnknownKeyError if there is none, or all were cleared."""
        self._check_open()
        entry = self._newest(key)
        return _tuple(WaitFd, (entry.fd, entry.custom_data))

    def all_fds(self) -> list[int]:
        """The fds of all entries that were not cleared, newest first. An fd that was set twice is listed twice."""
        self._check_open()
        return [entry.fd for entry in reversed(self._entries) if not entry.deleted]

    def changed_fds(self) -> ChangedFds:
        """The fds added and deleted since the last resume, or since the context was made.

        Asking changes nothing: the answer stays the same until the next resume. If a key is cleared and set again
        between two resumes, both changes are reported.
        """
        self._check_open()
        if not self.has_changes:
            return _tuple(ChangedFds, ([], []))
        added = [entry.fd for entry in reversed(self._entries) if entry.added and not entry.deleted]
        deleted = [entry.fd for entry in reversed(self._entries) if entry.deleted]
        return _tuple(ChangedFds, (added, deleted))

    def clear_fd(self, key: object) -> None:
        """Remove the newest entry of that key. An older entry of the same key becomes visible again.

        The cleanup of a cleared entry is never called, so the caller must close the fd. Raises UnknownKeyError if the
        key has no entry.
        """
        self._check_open()
        entry = self._newest(key)
        self.memo = None
        if entry.added:
            self._entries.remove(entry)
            self.has_changes = any(other.added or other.deleted for other in self._entries)
        else:
            entry.deleted = True
            self.has_changes = True

    def reset_counts(self) -> None:
        """Start a new list of changes. Only code that resumes jobs calls it, at the resume.

        Entries marked deleted are removed, without running their cleanup.
        """
        self._check_open()
        self._entries = [entry for entry in self._entries if not entry.deleted]
        for entry in self._entries:
            entry.added = False
        self.has_changes = False

    # callback and status

    def set_callback(self, fn: Callable[[Any], object] | None, arg: Any = None) -> None:
        """Store the callback, or remove it with None. An engine calls it as fn(arg) when an operation completes."""
        self._check_open()
        if fn is not None and not callable(fn):
            raise UsageError(f"the callback must be callable or None, not {fn!r}")
        self._callback = None if fn is None else Callback(fn, arg)
        self.memo = None

    @property
    def callback(self) -> Callback | None:
        """The callback and its argument, or None."""
        if self._phase is not None:
            self._check_open()
        return self._callback

    @property
    def status(self) -> int:
        """The int that was assigned last: a Status if the value is that of one. Nothing else changes it."""
        if self._phase is not None:
            self._check_open()
        return self.stored_status

    @status.setter
    def status(self, value: int) -> None:
        if type(value) is Status and self._phase is None:  # the common case, without the look-up below
            self.stored_status = value
            return
        self._check_open()
        if not isinstance(value, int):
            raise UsageError(f"the status must be an int, not {value!r}")
        self.stored_status = as_status(value)

    # end

    @property
    def closed(self) -> bool:
        """Whether the context was freed, or is being freed now."""
        return self._phase is not None

    def close(self) -> None:
        """Free the context: run the cleanups of all entries that were not cleared, newest first.

        Each cleanup is called once, whatever the others raise. After that, what they raised is raised here: a single
        exception as it is, several as an ExceptionGroup. Closing again does nothing. Only if an exception such as
        Ctrl-C came between two cleanups, closing again calls the cleanups that are left.
        """
        if self._phase is _FREED or self._phase is _BEING_FREED:
            return
        if self._phase is None:
            self._raised = []
        self._phase = _BEING_FREED
        try:
            self._clean_up()
        except BaseException:
            self._phase = _INTERRUPTED
            raise
        self._phase = _FREED
        errors = self._raised
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("cleanups of a wait context failed", errors)

    def _clean_up(self) -> None:
        """Call the cleanups that are left, newest first, and keep what they raise."""
        self.memo = self._callback = None
        self.has_changes = True  # so that the next resume of a job calls `reset_counts`, which raises ClosedError
        entries = self._entries
        while entries:
            entry = entries[-1]
            # No exception can come between this line and the call, so each cleanup is called exactly once.
            del entries[-1]
            if entry.cleanup is not None and not entry.deleted:
                try:
                    entry.cleanup(self, entry.key, entry.fd, entry.custom_data)
                except BaseException as error:  # a KeyboardInterrupt must not keep the others from running
                    self._raised += (error,)

    def __enter__(self) -> Self:
        self._check_open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._phase is not None:
            return f"<WaitCtx at {id(self):#x}, {self._phase}>"
        what = f"fds {self.all_fds()}, status {self.stored_status!r}, callback {self._callback}"
        return f"<WaitCtx at {id(self):#x}: {what}>"

    def _newest(self, key: object) -> _Entry:
        for entry in reversed(self._entries):
            if entry.key is key and not entry.deleted:
                return entry
        raise UnknownKeyError(
            f"no fd is set for key {key!r}; keys are compared by identity, so pass the same object that was set"
        )

    def _check_open(self) -> None:
        if self._phase is not None:
            raise ClosedError(f"the wait context {self._phase}")
