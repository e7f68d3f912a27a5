"""Summaries of latencies: mean and percentiles, and how far a mean may be from the true one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BATCHES = 30
"""A run is cut into this many parts to see how much its mean varies. Each part is long, so the parts hardly depend on
each other, although the operations in a part do."""
_T_999 = 3.659
"""Student's t of 29 degrees of freedom: 99.9 % are within this many standard errors."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Half of the operations took at most p50_ns, 99 of 100 at most p99_ns, 999 of 1,000 at most p999_ns."""

    mean_ns: int
    p50_ns: int
    p99_ns: int
    p999_ns: int

    @classmethod
    def of(cls, values_ns: Sequence[int] | npt.NDArray[np.int64]) -> Latency:
        """The summary of any number of ns. For none, all values are 0."""
        if not len(values_ns):
            return cls(0, 0, 0, 0)
        values = np.asarray(values_ns, dtype=np.int64)
        p50, p99, p999 = np.percentile(values, [50, 99, 99.9])
        return cls(int(values.mean()), int(p50), int(p99), int(p999))


def confidence_ns(values_ns: npt.NDArray[np.int64]) -> float:
    """The true mean is this close to the mean of these, with a confidence of 99.9 %: the method of batch means.

    `values_ns` are in the order of their arrival. Returns inf if there are fewer than 30.
    """
    if len(values_ns) < BATCHES:
        return math.inf
    size = len(values_ns) // BATCHES
    means = values_ns[: size * BATCHES].reshape(BATCHES, size).mean(axis=1)
    return float(_T_999 * means.std(ddof=1) / math.sqrt(BATCHES))
