"""The status of a wait context, with the values of openssl/async.h."""

from enum import IntEnum


class Status(IntEnum):
    """What an engine says about its last submission, when completions come by callback.

    C stores any int, and so does `WaitCtx.status`. These four have a meaning.
    """

    UNSUPPORTED = 0
    """The engine has reported nothing, because it works by fd, or not asynchronously."""
    ERR = 1
    """The operation failed; no callback will come."""
    OK = 2
    """The operation was submitted (in QAT_Engine's contract) or has completed (in the man page's). See
    docs/contracts.md."""
    EAGAIN = 3
    """The operation was not submitted, because the ring was full. If the job is resumed, it tries again."""


def as_status(value: int) -> int:
    """The Status of that value if it has one, else the int itself."""
    return _BY_VALUE.get(value, value)


_BY_VALUE: dict[int, int] = {int(status): status for status in Status}
