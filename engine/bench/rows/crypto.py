"""Row: RSA-2048 signatures on the device, while the driving thread is busy with Python of its own."""

from __future__ import annotations

from contextlib import ExitStack
from time import perf_counter_ns
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from engine import Engine, Scheduler, pause_job
from engine.bench.figure import Outcome, Row, at_least
from engine.bench.probe import Probe
from engine.bench.rig import Rig
from engine.bench.rounds import Samples, interleave, ratio

_TURN_NS = 400_000_000
_MESSAGE = b"m" * 64


def python_chunk() -> int:
    """Some 100 us of plain Python."""
    total = 0
    for n in range(2_000):
        total += n & 3
    return total


async def _own_work(until_ns: int, paces: list[float]) -> None:
    """The driving thread's own Python, in pieces, with a look at the other jobs in between."""
    chunks, before_ns = 0, perf_counter_ns()
    while perf_counter_ns() < until_ns:
        python_chunk()
        chunks += 1
        await pause_job()
    paces.append(chunks / (perf_counter_ns() - before_ns))


def _rsa(rig: Rig, rounds: int) -> Outcome:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    padding, algorithm = PKCS1v15(), SHA256()
    beside: list[float] = []

    def free_core() -> float:
        count, until_ns = 0, perf_counter_ns() + _TURN_NS
        before_ns = perf_counter_ns()
        while perf_counter_ns() < until_ns:
            key.sign(_MESSAGE, padding, algorithm)
            count += 1
        return count / (perf_counter_ns() - before_ns)

    def own_pace() -> float:
        paces: list[float] = []
        with Scheduler() as scheduler:
            scheduler.spawn(_own_work, perf_counter_ns() + _TURN_NS, paces)
            scheduler.run()
        return paces[0]

    def offloaded() -> float:
        """Signatures a ns; the driving thread's pace meanwhile goes to `beside`."""
        with ExitStack() as stack:
            accel = stack.enter_context(rig.accelerator(depth=64))
            engine = stack.enter_context(Engine(accel, notify="callback"))
            scheduler = stack.enter_context(Scheduler())
            session = engine.session("rsa-sign", key)
            until_ns = perf_counter_ns() + _TURN_NS
            signed = 0

            async def sign() -> None:
                nonlocal signed
                while perf_counter_ns() < until_ns:
                    await engine.aio.rsa_sign(session, _MESSAGE)
                    # What completes behind the end had the core to itself.
                    signed += perf_counter_ns() < until_ns

            before_ns = perf_counter_ns()
            for _ in range(16):
                scheduler.spawn(sign)
            scheduler.spawn(_own_work, until_ns, beside)
            scheduler.run()
            return signed / (until_ns - before_ns)

    def device_alone() -> float:
        """Signatures a ns while the driving thread runs Python and never looks: what the device gets of the GIL."""
        with rig.accelerator(depth=64) as accel:
            until_ns = perf_counter_ns() + _TURN_NS
            before_ns = perf_counter_ns()
            signing = [_Again("rsa-sign", accel, accel.session("rsa-sign", key), until_ns) for _ in range(16)]
            chunks = 0
            while perf_counter_ns() < until_ns:
                python_chunk()
                chunks += 1
            took_ns = perf_counter_ns() - before_ns
            unlooked.append(chunks / took_ns)
            return sum(request.count for request in signing) / took_ns

    unlooked: list[float] = []
    rates = interleave(
        {"offloaded": offloaded, "a free core": free_core, "own pace": own_pace, "never looks": device_alone}, rounds
    )
    beside_paces = Samples(tuple(beside[1:]))  # the first is of the turn that does not count
    figures = [
        at_least("device: of a free core", ratio(rates["offloaded"], rates["a free core"]), 0.85),
        at_least("driving thread: of its own pace", ratio(beside_paces, rates["own pace"]), 0.95),
    ]
    notes = [f"signatures/s: {rates[name].median * 1e9:,.0f} {name}" for name in ("offloaded", "a free core")]
    alone = ratio(rates["never looks"], rates["a free core"]).median
    own = ratio(Samples(tuple(unlooked[1:])), rates["own pace"]).median
    notes.append(f"with a driving thread that never looks at its jobs: device {alone:.2f}, driving thread {own:.2f}")
    return Outcome(figures, notes=notes)


class _Again(Probe):
    """Goes onto the ring again as soon as it completes, until the time is over."""

    def __init__(self, op: str, accel: Any, session: Any, until_ns: int) -> None:
        super().__init__(op, _MESSAGE, session)
        self._accel = accel
        self._until_ns = until_ns
        self.count = 0
        accel.prepare(self)
        accel.submit(self)

    def complete(self) -> None:
        if perf_counter_ns() < self._until_ns:
            self.count += 1
            self._accel.submit(self)


ROWS = (Row("rsa-offload", "RSA-2048 sign offloaded, driving thread busy with Python of its own", "D", _rsa),)
