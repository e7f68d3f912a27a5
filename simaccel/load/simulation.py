"""A load on a model of one card or many. It computes times only, without jobs and without doing the work.

Theory of operation. One loop takes the events in the order of their times. At each event an operation completes, or a
transaction arrives. All operations wait in one queue. The first leaves it when a ring has a free slot and the
application may have one more in flight. It then gets the unit of its card that is free first, keeps the unit for its
service, and keeps its slot until its latency is over. When it completes, the next step of its transaction begins to
wait. At equal times, completions come before arrivals.

This is what `sim.Accelerator` does in virtual time, to the ns: the same rule for units, the same order for slots, the
same draws from the same streams of the seed. Tests compare the two. Rings, requests, jobs and kernels are left out,
because they cost time. The loop is plain Python, and a million operations take some two seconds. numpy would not
help: each start depends on the heap of units that the operation before has left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from random import Random
from typing import Literal

import numpy as np

from sim.errors import UsageError
from sim.randomness import Randomness
from sim.timing import Fixed, Model, PerByte, PerOperation
from sim.timing.quantities import check_count
from simaccel.fleet.policies import FULL, make_policy
from simaccel.load.arrivals import Arrivals, Closed
from simaccel.load.cards import Card
from simaccel.load.mix import Mix
from simaccel.load.result import LoadResult, measured

WhenFull = Literal["wait", "lose"]
"""What happens to an operation that finds no slot: it waits for one (EAGAIN), or its transaction is lost."""


def simulate(
    arrivals: Arrivals | Closed,
    mix: Mix,
    card: Card,
    *,
    count: int = 100_000,
    cards: int = 1,
    policy: str = "least-in-flight",
    in_flight: int | None = None,
    when_full: WhenFull = "wait",
    seed: int | None = None,
    warm_up: float = 0.0,
) -> LoadResult:
    """The times of `count` transactions on this many equal cards, from the first arrival until all have ended.

    - `in_flight`: the most operations that the application has in flight, over all cards; None for no limit.
    - `seed`: of arrivals, mix and service times; None picks one, which the result has. Card k draws as an accelerator
      with the seed `seed + k` would.
    - `warm_up`: the share of the transactions that come first and are left out of the latencies, from 0 to below 1.

    Raises UsageError for bad values. If operations wait for slots, it also raises UsageError for a load that cards and
    application can't bear, because the queue would grow for ever. It computes, and never sleeps or waits.
    """
    check_count("count", count)
    check_count("cards", cards)
    if in_flight is not None:
        check_count("in flight", in_flight)
    if not 0 <= warm_up < 1:
        raise UsageError(f"warm-up {warm_up!r}: use a share from 0 to below 1, such as 0.1")
    if when_full not in ("wait", "lose"):
        raise UsageError(f"when_full={when_full!r}: use 'wait' or 'lose'")
    if not isinstance(arrivals, Closed) and when_full == "wait":
        check_stable(arrivals.rate_per_s, mix, card, cards, in_flight)
    randomness = Randomness(seed)
    run = _Run(mix, card, cards, policy, in_flight or FULL, when_full == "lose", randomness.seed)
    if isinstance(arrivals, Closed):
        run.closed(arrivals, count, randomness.stream("mix"), randomness.stream("arrivals"))
    else:
        times = arrivals.times_ns(count, randomness.stream("arrivals"))
        run.open(times.tolist(), randomness.stream("mix"))
    return measured(
        begins_ns=np.asarray(run.begins, np.int64),
        ends_ns=np.asarray(run.ends, np.int64),
        kinds=np.frombuffer(bytes(run.kinds), np.uint8) if len(mix.weights) < 256 else np.asarray(run.kinds, np.int64),
        waits_ns=np.asarray(run.waits, np.int64),
        delayed=run.delayed,
        inside_ns=run.inside_ns,
        most_in_flight=run.most_in_flight,
        fullest_ring=run.fullest_ring,
        busy_ns=tuple(one.busy_ns for one in run.cards),
        by_card=tuple(one.operations for one in run.cards),
        units=card.units,
        mix=mix,
        warm_up=warm_up,
        seed=randomness.seed,
    )


def check_stable(rate_per_s: float, mix: Mix, card: Card, cards: int, in_flight: int | None) -> None:
    """Raises UsageError for a load whose queue would grow for ever."""
    card.check_load(rate_per_s, mix, cards, f"{rate_per_s:,.6g}/s")
    bare_ns = card.bare_ns(mix)
    if in_flight is not None and bare_ns and rate_per_s * bare_ns / 1e9 >= in_flight:
        raise UsageError(
            f"in flight {in_flight}: {rate_per_s:,.6g}/s of {mix.spec} need {rate_per_s * bare_ns / 1e9:,.1f} on "
            "average, without any waiting; allow more in flight, or use a lower rate"
        )


@dataclass(slots=True)
class _CardState:
    """What one card does now."""

    units: list[int]
    """When each unit is free: a heap."""
    service_rng: Random
    latency_rng: Random
    busy_ns: int = 0
    operations: int = 0


_Draw = Callable[[str, int, Random], int]


def _draw_of(model: Model, op: str, size_bytes: int) -> tuple[int, _Draw | None]:
    """The duration, if it is always the same. Otherwise the function that draws it."""
    if isinstance(model, PerOperation):
        model = model.table.get(op, model.default)
    if isinstance(model, Fixed | PerByte):  # these draw nothing, so they leave the random streams as they are
        return model.draw_ns(op, size_bytes, Random(0)), None
    return 0, model.draw_ns


class _Run:
    """One run, and its rows: one for each transaction."""

    def __init__(self, mix: Mix, card: Card, cards: int, policy: str, most: int, loses: bool, seed: int) -> None:
        self.begins: list[int] = []
        """When each transaction arrived."""
        self.ends: list[int] = []
        """When it ended; -1 if it was lost."""
        self.kinds: Sequence[int] = []
        self.waits: list[int] = []
        """How long each operation waited from when it was asked for until a unit began with it."""
        self.delayed = 0
        """Operations that found no slot at once."""
        self.most_in_flight = self.fullest_ring = 0
        """The most operations that ever were in flight, over all cards and on one."""
        self.inside_ns = 0
        """The number of transactions inside, added up over the time: counted as they come and go."""
        self.cards: list[_CardState] = []
        for number in range(cards):
            randomness = Randomness(seed + number)
            streams = randomness.stream("service"), randomness.stream("latency")
            self.cards.append(_CardState([0] * card.units, *streams))
        self._mix = mix
        self._depth = card.depth
        self._most = most
        self._loses = loses
        self._policy = make_policy(policy)
        timing = card.timing
        self._programs = [
            [
                (
                    step.op,
                    step.size_bytes,
                    _draw_of(timing.service, step.op, step.size_bytes),
                    _draw_of(timing.latency, step.op, step.size_bytes),
                )
                for step in transaction.steps
            ]
            for transaction in mix.transactions
        ]

    def open(self, times_ns: list[int], mix_rng: Random) -> None:
        """Transactions arrive at these times."""
        self.begins = times_ns
        self.ends = [-1] * len(times_ns)
        self.kinds = self._mix.draw(len(times_ns), mix_rng)
        self._go(times_ns, [], None)

    def closed(self, load: Closed, count: int, mix_rng: Random, think_rng: Random) -> None:
        """This many callers ask in turn, `count` times in all."""
        self.begins = [0] * count
        self.ends = [-1] * count
        self.kinds = self._mix.draw(count, mix_rng)

        def think_ns() -> int:
            return load.think.draw_ns("think", 0, think_rng)

        first = [think_ns() for _ in range(min(load.callers, count))]
        self._go([], first, think_ns)

    def _go(self, times: list[int], first: list[int], think_ns: Callable[[], int] | None) -> None:
        heap: list[tuple[int, int, int, int, int]] = []
        """(when, a serial number, card or -1 for an arrival, transaction, step)."""
        serial = asked_for = 0
        begins, ends, kinds, waits = self.begins, self.ends, self.kinds, self.waits
        programs, cards, depth, most = self._programs, self.cards, self._depth, self._most
        choose = self._policy.choose
        waiting: deque[tuple[int, int, int]] = deque()
        loads = [0] * len(cards)
        counts = [0] * len(cards)
        single = len(cards) == 1
        total = arrived = inside = last_ns = area = 0
        most_in_flight = fullest = 0
        count = len(times)
        for time_ns in first:
            heappush(heap, (time_ns, serial, -1, asked_for, 0))
            serial += 1
            asked_for += 1
        while True:
            if heap and (arrived >= count or heap[0][0] <= times[arrived]):
                now_ns, _, card, transaction, step = heappop(heap)
                area += inside * (now_ns - last_ns)
                last_ns = now_ns
                if card < 0:
                    inside += 1
                    begins[transaction] = now_ns
                    waiting.append((transaction, 0, now_ns))
                else:
                    total -= 1
                    counts[card] = loads[card] = counts[card] - 1
                    step += 1
                    if step < len(programs[kinds[transaction]]):
                        waiting.append((transaction, step, now_ns))
                    else:
                        inside -= 1
                        ends[transaction] = now_ns
                        if think_ns is not None and asked_for < len(begins):
                            heappush(heap, (now_ns + think_ns(), serial, -1, asked_for, 0))
                            serial += 1
                            asked_for += 1
            elif arrived < count:
                now_ns = times[arrived]
                area += inside * (now_ns - last_ns)
                last_ns = now_ns
                inside += 1
                waiting.append((arrived, 0, now_ns))
                arrived += 1
            else:
                break
            while waiting and total < most:
                transaction, step, asked_ns = waiting[0]
                op, size_bytes, (service_ns, draw_service), (latency_ns, draw_latency) = programs[kinds[transaction]][
                    step
                ]
                card = (0 if loads[0] < FULL else -1) if single else choose(loads, op, 0)
                if card < 0:
                    break
                waiting.popleft()
                state = cards[card]
                if draw_service is not None:
                    service_ns = draw_service(op, size_bytes, state.service_rng)
                if draw_latency is not None:
                    latency_ns = draw_latency(op, size_bytes, state.latency_rng)
                units = state.units
                start_ns = units[0] if units[0] > now_ns else now_ns
                end_ns = start_ns + service_ns
                heapreplace(units, end_ns)
                state.busy_ns += service_ns
                state.operations += 1
                waits.append(start_ns - asked_ns)
                if asked_ns != now_ns:
                    self.delayed += 1
                total += 1
                if total > most_in_flight:
                    most_in_flight = total
                held = counts[card] + 1
                if held > fullest:
                    fullest = held
                counts[card] = held
                loads[card] = held if held < depth else FULL
                heappush(heap, (end_ns + latency_ns, serial, card, transaction, step))
                serial += 1
            if waiting and self._loses:
                for transaction, _, _ in waiting:  # it gets no latency, so its time inside must not count either
                    inside -= 1
                    area -= now_ns - begins[transaction]
                waiting.clear()
        self.inside_ns = area
        self.most_in_flight, self.fullest_ring = most_in_flight, fullest
