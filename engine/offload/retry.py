"""What an operation does when it meets a full ring."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import UsageError

WAYS = ("space", "at_once")


@dataclass(frozen=True, slots=True)
class Retry:
    """How an operation that met a full ring gets onto it.

    In a job, it pauses with EAGAIN, and:

    - `wake="space"` (the default): it is woken when a slot is free and it is its turn, first come, first served. No
      busy loop. In callback mode the callback is called then.
    - `wake="at_once"`: it is woken at once and tries again, as QAT_Engine does it: by fd, the fd becomes readable; in
      callback mode there is no callback, the status EAGAIN says that the application must resume it by itself. After
      16 tries in vain each wake by fd comes 100 us later, so that the device gets on; in virtual time without a `limit`
      it comes when a slot is free, because no try before that can succeed. With a
      `backoff_ns`, it is woken after that time instead, twice as long each time up to `backoff_max_ns`, by fd or
      callback.

    After `limit` tries (None: never) it fails with RingFullError.

    Outside of a job, and while pauses are blocked, it sleeps, from `backoff_ns` up to `backoff_max_ns`, and fails with
    RingFullError after `blocking_limit` tries; a slot that falls free ends a sleep early.
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
        """How long to hold back after so many tries that failed, counted from 1; 0 for not at all."""
        return min(self.backoff_ns << min(tries - 1, 40), self.backoff_max_ns)

    def sleep_ns(self, tries: int) -> int:
        """The same outside of a job, where there is always a sleep: 50 us at first if no back-off was given."""
        return min((self.backoff_ns or 50_000) << min(tries - 1, 40), max(self.backoff_max_ns, 50_000))
