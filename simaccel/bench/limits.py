"""Physical limits: what no implementation in Python could do without, from parts that the same run measures."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns

GREENLET, GENERATOR, EVENTFD, WAKE = (
    "bare greenlet switch pair",
    "bare generator send",
    "eventfd write, poll, read",
    "wake of a sleeping thread, and back",
)
"""The names of the parts in the report's "bare"."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one contender can't do without."""

    part: str
    """"bare", "two cores" or "one core": where the contender was measured."""
    contender: str
    parts: tuple[tuple[int, str], ...]
    """How many of each part."""


LIMITS = (
    Limit("bare", "stackful pause/resume pair", ((1, GREENLET),)),
    Limit("bare", "stackless pause/resume pair", ((1, GENERATOR),)),
    Limit("bare", "stackful cycle by callback", ((2, GREENLET),)),
    Limit("bare", "stackless cycle by callback", ((2, GENERATOR),)),
    Limit("bare", "stackful cycle by eventfd", ((2, GREENLET), (1, EVENTFD))),
    Limit("bare", "stackless cycle by eventfd", ((2, GENERATOR), (1, EVENTFD))),
    Limit("two cores", "64 jobs, callback, stackless", ((1, GENERATOR),)),
    Limit("two cores", "64 jobs, fd, stackless", ((1, GENERATOR), (1, EVENTFD))),
    Limit("two cores", "64 jobs, fd, stackful", ((1, GREENLET), (1, EVENTFD))),
    Limit("two cores", "one job, fd, stackful", ((1, GREENLET), (1, EVENTFD), (1, WAKE))),
    Limit("two cores", "one call, ThreadPoolExecutor", ((1, WAKE),)),
)


def lines(
    times_ns: Mapping[str, Mapping[str, Sequence[float]]],
) -> list[tuple[str, float, float, str]]:
    """(contender, its ns, the ns of its limit, what the limit is made of), for each of LIMITS that was measured.

    `times_ns` has the samples of a run by part, as in `Limit.part`.
    """
    bare = times_ns.get("bare", {})
    found = []
    for limit in LIMITS:
        samples = times_ns.get(limit.part, {}).get(limit.contender)
        if samples and all(name in bare for _, name in limit.parts):
            limit_ns = sum(count * statistics.median(bare[name]) for count, name in limit.parts)
            made_of = " + ".join(name if count == 1 else f"{count} x {name}" for count, name in limit.parts)
            found.append((limit.contender, statistics.median(samples), limit_ns, made_of))
    return found


def wake_ns(count: int) -> float:
    """A thread is woken out of its sleep on a lock, and wakes this one in the same way."""
    there, back = threading.Lock(), threading.Lock()
    there.acquire()
    back.acquire()

    def answer() -> None:
        for _ in range(count):
            there.acquire()
            back.release()

    thread = threading.Thread(target=answer)
    thread.start()
    before_ns = perf_counter_ns()
    for _ in range(count):
        there.release()
        back.acquire()
    took_ns = perf_counter_ns() - before_ns
    thread.join()
    return took_ns / count
