"""A kernel: the work that one kind of request does on the device.

A payload, an aux and a loaded key go in, and bytes come out. Kernels have no state, so any number of threads may run
the same one at the same time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.errors import UsageError

# Without '=', ';', '+' and ',', because names of kernels appear in the text of timings and on command lines.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class KernelWords:
    """What a kernel takes and gives, in words: its row in docs/sessions.md."""

    payload: str
    result: str
    key: str = "none"
    aux: str = "none"


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kind of request.

    - `run(payload, aux, key)` does the work. It is called in the device's worker thread, or in the thread that moves
      the virtual clock. If it raises, the request completes with that exception as its `error`. `key` is what `load`
      returned, or None for a kernel without a key.
    - `load(material, **params)` turns key material into the key object. It is called once, when a session is opened,
      in the caller's thread. It raises UsageError, whose message never shows the material. None if the kernel takes no
      key.
    - `check(payload, aux, key)` checks a request when it is prepared, in the caller's thread. It raises UsageError.
      None if there is nothing that the caller could get wrong.
    - `asymmetric`: whether this is public-key cryptography: RSA, elliptic curves, ML-DSA or ML-KEM. Heuristic polling
      counts these separately, as QAT_Engine does.
    - `words`: what it takes and gives. Every built-in kernel has them. Yours needs none.
    """

    name: str
    run: Callable[[bytes, bytes, Any], bytes]
    load: Callable[..., Any] | None = None
    check: Callable[[bytes, bytes, Any], None] | None = None
    asymmetric: bool = False
    words: KernelWords | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(
                f"kernel name {self.name!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit"
            )


def no_aux(payload: bytes, aux: bytes, key: Any) -> None:
    """A check for kernels that use only the payload. They would ignore an aux, so it is refused."""
    if aux:
        raise UsageError(f"aux of {len(aux)} bytes: this kernel takes none; leave it out")
