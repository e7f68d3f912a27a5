"""How soon clients take what is complete: the wake times.

The device can't see when a client goes on. So a client counts it itself, in a histogram in its memory, which is read
only when somebody asks for a report (docs/decisions/0040-clients-count-their-wakes.md). A client can write anything
there, so its claims are taken only as far as they can be true. A client that lies gets a wrong row of its own, and in
the sums it has no more weight than a client that really is that slow.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import monotonic_ns
from typing import Any

from simaccel.bridge.device.memory import Memory
from simaccel.bridge.wire import WAKE_BOUNDS_NS

_LOWER_NS = (0, *WAKE_BOUNDS_NS)
"""The lower bound of each bucket."""


@dataclass(frozen=True, slots=True)
class Wakes:
    """A histogram of wake times, with its sum. The last bucket has no upper bound."""

    counts: Sequence[int] = (0,) * len(_LOWER_NS)
    sum_ns: int = 0

    @classmethod
    def sum(cls, parts: Iterable[Wakes]) -> Wakes:
        """The histogram of all of them together."""
        known = [part for part in parts if part.sum_ns or any(part.counts)]
        if not known:
            return cls()
        return cls(tuple(map(sum, zip(*(part.counts for part in known), strict=True))), sum(p.sum_ns for p in known))

    def summary(self) -> dict[str, int] | None:
        """How many samples there are, and their percentiles in ns, for JSON. None if there are none."""
        samples = sum(self.counts)
        if not samples:
            return None
        shares = (("p50_ns", 500), ("p99_ns", 990), ("p999_ns", 999))
        return {"samples": samples, **{name: self._per_mille(share, samples) for name, share in shares}}

    def to_dict(self) -> dict[str, Any] | None:
        """The summary with the sum, and with the buckets that are not empty: from, to (None: no bound), and count."""
        summary = self.summary()
        if summary is None:
            return None
        bounds = pairwise((*_LOWER_NS, None))
        buckets = [[low, high, count] for (low, high), count in zip(bounds, self.counts, strict=True) if count]
        return {**summary, "sum_ns": self.sum_ns, "buckets": buckets}

    def _per_mille(self, share: int, samples: int) -> int:
        """The time that `share` of 1,000 samples do not exceed, as if those of a bucket were at equal distances."""
        rank, seen = share * samples, 0
        for at, count in enumerate(self.counts):
            if count and (seen + count) * 1000 >= rank:
                low, high = _LOWER_NS[at], _LOWER_NS[min(at + 1, len(_LOWER_NS) - 1)]
                return low + (high - low) * (rank - seen * 1000) // (count * 1000)
            seen += count
        return _LOWER_NS[-1]


class ClientWakes:
    """The wake times of one client. Any thread may read them."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._since_ns = monotonic_ns()
        self._claimed: list[int] = []
        self._wakes = Wakes()
        self._lock = threading.Lock()

    def read(self) -> Wakes:
        """What the client says by now. It never gets less, and never has more samples than the client had completions.

        If the client says otherwise, the answer is what it said before.
        """
        claimed = self._memory.client_wakes()
        completions = self._memory.cq_tail  # read after the claim, so that what is true is never refused
        with self._lock:
            if claimed != self._claimed:
                self._claimed = claimed
                *counts, sum_ns = claimed
                if _grown(self._wakes.counts, counts) and sum(counts) <= completions:
                    self._wakes = Wakes(counts, self._possible_ns(counts, sum_ns))
            return self._wakes

    def _possible_ns(self, counts: Sequence[int], sum_ns: int) -> int:
        """The sum, or the nearest one that the buckets allow. Not below the one before, because a total never falls."""
        longest_ns = max(_LOWER_NS[-1], monotonic_ns() - self._since_ns)
        least = sum(count * low for count, low in zip(counts, _LOWER_NS, strict=True))
        most = sum(count * high for count, high in zip(counts, (*WAKE_BOUNDS_NS, longest_ns), strict=True))
        return max(self._wakes.sum_ns, least, min(sum_ns, most))


def _grown(before: Sequence[int], now: Sequence[int]) -> bool:
    return all(one >= other for one, other in zip(now, before, strict=True))
