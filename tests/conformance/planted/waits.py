"""Bugs in wait contexts. Random wait-context programs must notice each of them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.planted.plant import caught_by
from tests.conformance.profile import first_failure
from tests.conformance.wait_machine import run_wait_programs
from waitctx import ChangedFds, Status, WaitCtx
from waitctx.errors import UnknownKeyError

_set_wait_fd, _all_fds, _changed_fds = WaitCtx.set_wait_fd, WaitCtx.all_fds, WaitCtx.changed_fds
_clear_fd, _reset_counts, _close, _newest = WaitCtx.clear_fd, WaitCtx.reset_counts, WaitCtx.close, WaitCtx._newest
_set_callback = WaitCtx.set_callback


def wait_programs() -> None:
    run_wait_programs(first_failure(3_000), 1)


@caught_by(wait_programs)
def all_fds_oldest_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WaitCtx, "all_fds", lambda self: _all_fds(self)[::-1])


@caught_by(wait_programs)
def added_fds_oldest_first(patch: pytest.MonkeyPatch) -> None:
    def changed_fds(self: WaitCtx) -> ChangedFds:
        added, deleted = _changed_fds(self)
        return ChangedFds(added[::-1], deleted)

    patch.setattr(WaitCtx, "changed_fds", changed_fds)


@caught_by(wait_programs)
def deleted_fds_oldest_first(patch: pytest.MonkeyPatch) -> None:
    def changed_fds(self: WaitCtx) -> ChangedFds:
        added, deleted = _changed_fds(self)
        return ChangedFds(added, deleted[::-1])

    patch.setattr(WaitCtx, "changed_fds", changed_fds)


@caught_by(wait_programs)
def asking_for_changes_consumes_them(patch: pytest.MonkeyPatch) -> None:
    def changed_fds(self: WaitCtx) -> ChangedFds:
        changes = _changed_fds(self)
        _reset_counts(self)
        return changes

    patch.setattr(WaitCtx, "changed_fds", changed_fds)


@caught_by(wait_programs)
def reset_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(WaitCtx, "reset_counts", lambda self: None)


@caught_by(wait_programs)
def reset_forgets_the_deleted(patch: pytest.MonkeyPatch) -> None:
    def reset_counts(self: WaitCtx) -> None:
        for entry in self._entries:
            entry.added = False
        self.has_changes = any(entry.deleted for entry in self._entries)

    patch.setattr(WaitCtx, "reset_counts", reset_counts)


@caught_by(wait_programs)
def reset_skipped_after_a_clear(patch: pytest.MonkeyPatch) -> None:
    """The flag that lets a resume skip the reset, not raised by a clear."""

    def clear_fd(self: WaitCtx, key: object) -> None:
        before = self.has_changes
        _clear_fd(self, key)
        self.has_changes = before and self.has_changes

    patch.setattr(WaitCtx, "clear_fd", clear_fd)


@caught_by(wait_programs)
def key_set_twice_replaces(patch: pytest.MonkeyPatch) -> None:
    def set_wait_fd(self: WaitCtx, key: object, *rest: Any) -> None:
        self._entries = [entry for entry in self._entries if entry.key is not key or entry.deleted]
        _set_wait_fd(self, key, *rest)

    patch.setattr(WaitCtx, "set_wait_fd", set_wait_fd)


@caught_by(wait_programs)
def set_after_clear_hides_the_deleted(patch: pytest.MonkeyPatch) -> None:
    def set_wait_fd(self: WaitCtx, key: object, *rest: Any) -> None:
        self._entries = [entry for entry in self._entries if entry.key is not key or not entry.deleted]
        _set_wait_fd(self, key, *rest)

    patch.setattr(WaitCtx, "set_wait_fd", set_wait_fd)


@caught_by(wait_programs)
def keys_compared_by_equality(patch: pytest.MonkeyPatch) -> None:
    def newest(self: WaitCtx, key: object) -> Any:
        for entry in reversed(self._entries):
            if entry.key == key and not entry.deleted:
                return entry
        raise UnknownKeyError

    patch.setattr(WaitCtx, "_newest", newest)


@caught_by(wait_programs)
def oldest_entry_of_a_key_wins(patch: pytest.MonkeyPatch) -> None:
    def oldest(self: WaitCtx, key: object) -> Any:
        return next((entry for entry in self._entries if entry.key is key and not entry.deleted), None) or _newest(
            self, key
        )

    patch.setattr(WaitCtx, "_newest", oldest)


@caught_by(wait_programs)
def unreported_entry_reported_as_deleted(patch: pytest.MonkeyPatch) -> None:
    def clear_fd(self: WaitCtx, key: object) -> None:
        self._newest(key).deleted = True
        self.has_changes = True

    patch.setattr(WaitCtx, "clear_fd", clear_fd)


@caught_by(wait_programs)
def cleanup_called_for_a_cleared_entry(patch: pytest.MonkeyPatch) -> None:
    def close(self: WaitCtx) -> None:
        for entry in self._entries:
            entry.deleted = False
        _close(self)

    patch.setattr(WaitCtx, "close", close)


@caught_by(wait_programs)
def cleanup_called_by_the_clear(patch: pytest.MonkeyPatch) -> None:
    def clear_fd(self: WaitCtx, key: object) -> None:
        entry = self._newest(key)
        _clear_fd(self, key)
        if entry.cleanup is not None:
            entry.cleanup(self, entry.key, entry.fd, entry.custom_data)

    patch.setattr(WaitCtx, "clear_fd", clear_fd)


@caught_by(wait_programs)
def cleanups_oldest_first(patch: pytest.MonkeyPatch) -> None:
    def close(self: WaitCtx) -> None:
        self._entries.reverse()
        _close(self)

    patch.setattr(WaitCtx, "close", close)


@caught_by(wait_programs)
def cleanup_of_the_unreported_forgotten(patch: pytest.MonkeyPatch) -> None:
    def close(self: WaitCtx) -> None:
        self._entries = [entry for entry in self._entries if not entry.added]
        _close(self)

    patch.setattr(WaitCtx, "close", close)


@caught_by(wait_programs)
def callback_can_not_be_taken_away(patch: pytest.MonkeyPatch) -> None:
    def set_callback(self: WaitCtx, fn: Any, arg: Any = None) -> None:
        if fn is not None:
            _set_callback(self, fn, arg)

    patch.setattr(WaitCtx, "set_callback", set_callback)


@caught_by(wait_programs)
def callback_sets_the_status(patch: pytest.MonkeyPatch) -> None:
    def set_callback(self: WaitCtx, fn: Any, arg: Any = None) -> None:
        _set_callback(self, fn, arg)
        self.status = Status.OK

    patch.setattr(WaitCtx, "set_callback", set_callback)


@caught_by(wait_programs)
def only_known_statuses_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("waitctx.context.as_status", lambda value: Status(value) if value in list(Status) else Status.ERR)
