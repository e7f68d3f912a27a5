"""`check_accelerator`: run every case of the contract suite on an accelerator, and report every rule that it breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import sha256
from typing import Any

from engine.errors import UsageError
from engine.protocol import Accelerator
from simaccel.testing.contract_suite.device_cases import DEVICE_CASES
from simaccel.testing.contract_suite.engine_cases import ENGINE_CASES
from simaccel.testing.contract_suite.harness import WATCHDOG_S, ContractBroken, Harness, Sessions

CASES: dict[str, Callable[[Harness], None]] = {case.__name__: case for case in (*DEVICE_CASES, *ENGINE_CASES)}
"""Every case by its name. The docstring of a case states its rule."""


class ContractError(ContractBroken):
    """Some rules do not hold. `failures` maps the name of each failed case to its exception."""

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
    """Run all cases, each on a new accelerator that `make()` returns. It is closed afterwards if it has a `close`.

    Give the accelerator few slots, such as 8, because the cases fill its ring.

    - `op`: an operation that needs no key, and `software`: a function that gives its right result. SHA-256 by default.
    - `only`: run just the case of this name, to look into a failure.
    - `watchdog_s`: the longest that anything may take in real time.
    - `sessions`: for each operation that needs a key, the key and a function of payload and result that says whether
      the result is right. Without it, keys are not checked.

    Blocks: in real time if the accelerator's clock is real. Raises ContractError, which lists every rule that does not
    hold, and UsageError for bad arguments.
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
                CASES[name](Harness(accel, op, software or _sha256, watchdog_s, sessions))
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
