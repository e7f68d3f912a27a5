"""The same load on real accelerators in virtual time: the slow way that `simulate` has to agree with, to the ns."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial

from sim import Accelerator, Request, VirtualClock
from sim.randomness import Randomness
from simaccel.fleet.policies import FULL, make_policy
from simaccel.load import Arrivals, Card, Mix


class OnDevices:
    """Sends a load to accelerators that share a virtual clock, as an application with one queue would."""

    def __init__(self, card: Card, cards: int, policy: str, most: int | None, loses: bool, seed: int) -> None:
        self.clock = VirtualClock()
        self.accels = [
            Accelerator(card.depth, card.units, card.timing, clock=self.clock, seed=seed + number)
            for number in range(cards)
        ]
        for accel in self.accels:
            # A kernel that does nothing, under each name: keys and results are not what is compared.
            for op in ("rsa-sign", "rsa-sign-pss", "x25519", "ecdsa-sign", "aes-gcm-encrypt"):
                accel.register(op, bytes, replace=True)
        self.policy = make_policy(policy)
        self.most = most or FULL
        self.loses = loses
        self.waiting: deque[tuple[int, int, int]] = deque()
        self.in_flight = [0] * cards
        self.waits: list[int] = []
        self.ends: list[int] = []
        self.completed_ns: list[int] = []
        """Of each operation: two at one time complete in an order that the seed decides, which `simulate` knows not."""

    def run(self, arrivals: Arrivals, mix: Mix, count: int, seed: int) -> tuple[list[int], list[int]]:
        """When each transaction ended, -1 if it was lost; how long each operation waited, in order of its start."""
        randomness = Randomness(seed)
        times: Sequence[int] = arrivals.times_ns(count, randomness.stream("arrivals")).tolist()
        kinds = mix.draw(count, randomness.stream("mix"))
        self.steps = [mix.transactions[kind].steps for kind in kinds]
        self.ends = [-1] * len(times)
        for number, time_ns in enumerate(times):
            # Completions of that ns first: an arrival is no timer of a device, which would come in between.
            self.clock.advance_to(time_ns)
            self._ask(number, 0)
        while self.clock.jump():
            pass
        for accel in self.accels:
            accel.close()
        return self.ends, self.waits

    def _ask(self, number: int, step: int) -> None:
        self.waiting.append((number, step, self.clock.now_ns()))
        self._serve()

    def _serve(self) -> None:
        self._submit_all()
        if self.loses:
            self.waiting.clear()

    def _submit_all(self) -> None:
        while self.waiting and sum(self.in_flight) < self.most:
            number, step, asked_ns = self.waiting[0]
            op, size = self.steps[number][step].op, self.steps[number][step].size_bytes
            loads = [
                count if count < accel.depth else FULL for count, accel in zip(self.in_flight, self.accels, strict=True)
            ]
            card = self.policy.choose(loads, op, 0)
            if card < 0:
                return
            self.waiting.popleft()
            request = Request(op, bytes(size), on_complete=partial(self._completed, number, step, card, asked_ns))
            self.accels[card].prepare(request)
            self.in_flight[card] += 1
            assert self.accels[card].submit(request)

    def _completed(self, number: int, step: int, card: int, asked_ns: int, request: Request) -> None:
        self.waits.append(request.started_ns - asked_ns)
        self.completed_ns.append(self.clock.now_ns())
        self.in_flight[card] -= 1
        if step + 1 < len(self.steps[number]):
            self.waiting.append((number, step + 1, self.clock.now_ns()))
        else:
            self.ends[number] = self.clock.now_ns()
        self._serve()
