"""The setting for a full ring: how often an operation tries, and what wakes it. ring_full.py does the trying."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import UsageError

WAYS = ("space", "at_once")


@dataclass(frozen=True, slots=True)
class Retry:
    """What an operation does when the ring is full.

    In a job it pauses with EAGAIN, and `wake` says when it is woken to try again:

    - "space", the default: when a slot is free and it is this operation's turn, first come, first served. This is no
      busy loop. In callback mode the callback is called then.
    - "at_once": immediately, as QAT_Engine does it. By fd, the fd becomes readable. In callback mode the callback is
      not called: the status EAGAIN tells the application to resume the job by itself.
      After 16 tries that failed, each wake by fd comes 100 us later, which gives the device time. In virtual time
      without a `limit`, it comes when a slot is free, because no try before that can succeed.
      With a `backoff_ns`, the wake comes after that time instead, by fd or callback. The time doubles with each try, up
      to `backoff_max_ns`.

    After `limit` tries the operation fails with RingFullError; with None there is no limit.

    Outside of a job, and while pauses are blocked, the operation sleeps between its tries, first for `backoff_ns` and
    at most for `backoff_max_ns`. A slot that becomes free ends a sleep early. After `blocking_limit` tries the
    operation fails with RingFullError.
    """

    wake: str = "space"
    limit: int | None = None
    backoff_ns: int = 0
    backoff_max_ns: int = 10_000_000
    blocking_limit: int = 500

    def __post_init__(self) -> None:
        if self.wake not in WAYS:
            raise UsageError(f"retry wake={self.wake!r}: use one of {', '.join(WAYS)}")
        for name in ("limit", "backoff_ns", "backoff_max_ns", "blocking_limit"):
            value = getattr(self, name)
            least = 1 if name.endswith("limit") else 0
            if value is None and name == "limit":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise UsageError(f"retry {name}={value!r}: use a whole number of at least {least}")
        if self.backoff_max_ns < self.backoff_ns:
            raise UsageError(f"retry backoff_max_ns={self.backoff_max_ns} is below backoff_ns={self.backoff_ns}")

    def pause_ns(self, tries: int) -> int:
        """How long the wake of a job waits after this many tries that failed, counted from 1. 0 is not at all."""
        return min(self.backoff_ns << min(tries - 1, 40), self.backoff_max_ns)

    def sleep_ns(self, tries: int) -> int:
        """How long a caller outside of a job sleeps after this many tries. Without a `backoff_ns`, first for 50 us."""
        return min((self.backoff_ns or 50_000) << min(tries - 1, 40), max(self.backoff_max_ns, 50_000))
