"""Users and groups by name or number, as options and settings give them."""

from __future__ import annotations

import grp
import os
import pwd
from collections.abc import Iterable

from sim.errors import UsageError

HIGHEST_ID = 2**32 - 2
"""The next number is -1 to the kernel, which stands for nobody."""


def user_id(user: str | int) -> int:
    """The uid of a user given by name or uid. Raises UsageError if there is none."""
    number = _number(user)
    if number is not None:
        return number
    try:
        return pwd.getpwnam(str(user)).pw_uid
    except (KeyError, ValueError):
        raise UsageError(f"there is no user {user!r}: give the name of one, or a uid") from None


def group_id(group: str | int) -> int:
    """The gid of a group given by name or gid. Raises UsageError if there is none."""
    number = _number(group)
    if number is not None:
        return number
    try:
        return grp.getgrnam(str(group)).gr_gid
    except (KeyError, ValueError):
        raise UsageError(f"there is no group {group!r}: give the name of one, or a gid") from None


def user_name(uid: int) -> str:
    """The user's name with its uid, for people; or only the uid if it has no name."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} ({uid})"
    except (KeyError, OverflowError):
        return str(uid)


def trusted_ids(users: Iterable[str | int] | None) -> tuple[int, ...]:
    """The uids whose devices we trust with keys, besides root's and our own.

    They are those of `users`. With None they are those in SIMACCEL_TRUSTED_USERS, as for the provider. Raises
    UsageError for a user that does not exist.
    """
    if users is None:
        users = os.environ.get("SIMACCEL_TRUSTED_USERS", "").replace(",", " ").split()
    elif isinstance(users, str):
        users = [users]
    return tuple(user_id(user) for user in users)


def _number(given: str | int) -> int | None:
    if isinstance(given, str):
        if not (given.isascii() and given.isdigit()):
            return None
        given = int(given)
    if not 0 <= given <= HIGHEST_ID:
        raise UsageError(f"{given} is no user's or group's number: use 0 to {HIGHEST_ID}")
    return given
