"""A kernel: the work one kind of request does on the device.

A payload, an aux and a loaded key go in, bytes come out. Kernels hold no state, so any number of units
may run the same one at the same time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sim.errors import UsageError

# No '=', ';', '+' or ',': a kernel's name appears in timing specs and on command lines.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kind of request.

    - `run(payload, aux, key)` does the work. Called in the device's worker thread, or in the thread that
      drives virtual time. What it raises is a failure of the request on the device: it completes, with a
      status. `key` is what `load` returned, None for a kernel without one.
    - `load(material, **params)` turns key material into the key object, once, when a session is opened, in
      the caller's thread. Raises UsageError, which never shows the material. None: this kernel takes no key.
    - `check(payload, aux, key)` looks at a request when it is submitted, in the caller's thread. Raises
      UsageError. None: there is nothing that the caller could get wrong.
    - `asymmetric`: RSA or elliptic curves. Heuristic polling counts these apart, as QAT_Engine does.
    """

    name: str
    run: Callable[[bytes, bytes, Any], bytes]
    load: Callable[..., Any] | None = None
    check: Callable[[bytes, bytes, Any], None] | None = None
    asymmetric: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise UsageError(
                f"kernel name {self.name!r}: use letters, digits, '.', '_' and '-', starting with a letter or digit"
            )


def no_aux(payload: bytes, aux: bytes, key: Any) -> None:
    """A check for kernels that use the payload alone: an aux given to them would be ignored, so it is refused."""
    if aux:
        raise UsageError(f"aux of {len(aux)} bytes: this kernel takes none; leave it out")
