"""Requests of an open load: a few of each step, prepared before time runs, and used again and again.

While a load runs, nothing may hold it up: neither preparing nor checking. Most operations give the same bytes for the
same request, so a result is only compared with the first one. Results that differ from it are kept, and are checked
against software when the load is over. These are random signatures, and results that are wrong.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import cycle

from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.software import Prepared, SoftwareOperation, draw_bytes
from simaccel.load import Mix, Step

EACH, EACH_BYTES = 32, 1 << 20
"""How many requests of one step are prepared. Fewer if they are large."""


@dataclass(slots=True)
class Reused:
    """One prepared request and its results."""

    step: Step
    request: Prepared
    first: bytes | None = None
    again: int = 0
    """How many later results were equal to the first."""
    others: list[bytes] = field(default_factory=list)


class ReusedRequests:
    """The requests of one way, and what became of their results. One thread."""

    def __init__(
        self, mix: Mix, kinds: Mapping[str, SoftwareOperation], rng: random.Random, way: str, failures: Failures
    ) -> None:
        self.verified = self.failed = self.wrong = 0
        self._way = way
        self._failures = failures
        self._all: list[Reused] = []
        self._turns = {}
        for step in mix.shares():
            kind = kinds[step.op]
            size = step.size_bytes if kind.takes_files else min(step.size_bytes, kind.generated_bytes)
            count = max(1, min(EACH, EACH_BYTES // max(size, 1)))
            made = [Reused(step, kind.prepare(draw_bytes(rng, size), rng)) for _ in range(count)]
            self._all += made
            self._turns[step] = cycle(made)

    def next(self, step: Step) -> Reused:
        """The next request of this step."""
        return next(self._turns[step])

    def succeeded(self, reused: Reused, result: bytes) -> None:
        """An operation has ended with this result."""
        if reused.first is None:
            reused.first = result
        elif result == reused.first:
            reused.again += 1
        else:
            reused.others.append(result)

    def raised(self, reused: Reused, error: Exception) -> None:
        """An operation has failed."""
        self.failed += 1
        self._failures.add(f"{reused.step}, by {self._way}: {error}")

    def check(self) -> None:
        """Check all results that were not checked before."""
        for reused in self._all:
            if reused.first is not None:
                self._count(reused, reused.first, 1 + reused.again)
            for result in reused.others:
                self._count(reused, result, 1)
            reused.first, reused.again = None, 0
            reused.others.clear()

    def _count(self, reused: Reused, result: bytes, times: int) -> None:
        if reused.request.right(result):
            self.verified += times
            return
        self.wrong += times
        self._failures.add(f"{reused.step}, by {self._way}: the result is wrong")
