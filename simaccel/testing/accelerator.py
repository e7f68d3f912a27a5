"""The contract suite for anybody's accelerator: does it do what an engine relies on?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from engine.errors import UsageError
from engine.protocol import Accelerator
from simaccel.testing.contract import DEVICE_CASES
from simaccel.testing.contract_bench import WATCHDOG_S, Bench, ContractBroken, Sessions
from simaccel.testing.contract_engine import ENGINE_CASES

CASES: dict[str, Callable[[Bench], None]] = {case.__name__: case for case in (*DEVICE_CASES, *ENGINE_CASES)}
"""Every case by its name; its docstring is the rule."""


class ContractError(ContractBroken):
    """Some rules do not hold. `failures` has the exception of each case that failed, by its name."""

    def __init__(self, failures: dict[str, Exception]) -> None:
        self.failures = failures
        lines = [f"{len(failures)} of {len(CASES)} rules do not hold:"]
        for name, error in failures.items():
            rule = " ".join((CASES[name].__doc__ or "").split())
            lines.append(f"  {name}: {rule} But: {type(error).__name__}: {error}")
        super().__init__("\n".join(lines))


def check_accelerator(
    make: Callable[[], Accelerator],
    *,
    op: str = "sha256",
    software: Callable[[bytes], bytes] | None = None,
    only: str | None = None,
    watchdog_s: float = WATCHDOG_S,
    sessions: Sessions | None = None,
) -> None:
    """Run all cases, each on what `make()` returns, which is closed afterwards if it has a `close`.

    `op` is an operation without a key that it can do, and `software` what that should give; by default SHA-256. Its
    ring should have few slots, such as 8: the cases fill it. `only` runs the case of that name, to look into a failure.
    `watchdog_s`: how long anything may take in real time. `sessions` has, for operations that need a key, the key and
    a function of payload and result that says whether the result is right; without it keys are not looked at.
    Raises ContractError, which lists every rule that does not hold; UsageError for bad arguments. Takes real time if
    the accelerator's clock does.
    """
    if not callable(make):
        raise UsageError(f"make={make!r}: give a function that makes a new accelerator each time it is called")
    if only is not None and only not in CASES:
        close = get_close_matches(str(only), CASES, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"only={only!r}: {guess}the cases are {', '.join(CASES)}")
    failures: dict[str, Exception] = {}
    for name in CASES if only is None else [only]:
        try:
            with _closing(make()) as accel:
                CASES[name](Bench(accel, op, software or _sha256, watchdog_s, sessions))
        except Exception as error:
            failures[name] = error
    if failures:
        raise ContractError(failures) from next(iter(failures.values()))


@contextmanager
def _closing(accel: Any) -> Iterator[Any]:
    try:
        yield accel
    finally:
        close = getattr(accel, "close", None)
        if close is not None:
            close()


def _sha256(data: bytes) -> bytes:
    return sha256(data).digest()
