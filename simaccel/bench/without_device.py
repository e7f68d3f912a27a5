"""The cost of the parts alone: pairs of pause and resume, whole cycles, and an eventfd. And the same of OpenSSL in
C."""

from __future__ import annotations

from functools import partial

from simaccel.bench import limits, openssl_jobs, pause_resume
from simaccel.bench.interleaved_rounds import Samples, Turn, interleave

_COUNT = 20_000
_C_COUNT = 200_000
OURS = {
    "stackful pause/resume pair": pause_resume.stackful_pair_ns,
    "stackless pause/resume pair": pause_resume.stackless_pair_ns,
    "stackful cycle by callback": pause_resume.stackful_callback_cycle_ns,
    "stackless cycle by callback": pause_resume.stackless_callback_cycle_ns,
    "stackful cycle by eventfd": pause_resume.stackful_eventfd_cycle_ns,
    "stackless cycle by eventfd": pause_resume.stackless_eventfd_cycle_ns,
}
PEERS = {
    limits.GREENLET: pause_resume.greenlet_pair_ns,
    limits.GENERATOR: pause_resume.generator_pair_ns,
    limits.EVENTFD: pause_resume.eventfd_ns,
}
_WAKES = 1_000
IN_C = {
    "OpenSSL in C: pause/resume pair": "pair",
    "OpenSSL in C: cycle by callback": "callback",
    "OpenSSL in C: cycle by eventfd": "eventfd",
}


def measure(rounds: int) -> tuple[dict[str, Samples], list[str]]:
    """The ns for each part, and messages about what is missing here."""
    contenders: dict[str, Turn] = {name: partial(turn, _COUNT) for name, turn in {**OURS, **PEERS}.items()}
    contenders[limits.WAKE] = partial(limits.wake_ns, _WAKES)
    missing = openssl_jobs.missing()
    if missing is None:
        contenders |= {name: partial(openssl_jobs.turn_ns, what, _C_COUNT) for name, what in IN_C.items()}
    return interleave(contenders, rounds), [missing] if missing else []
