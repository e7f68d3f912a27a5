"""Sessions, as in QAT and virtio-crypto: a kernel with a key that is loaded once, for any number of requests."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sim.errors import UsageError
from sim.kernels import Kernel

_serial = count(1)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Session:
    """A kernel and its loaded key. Immutable; any thread and any number of requests may share it.

    `id` counts from 1 in each accelerator. Sessions that were opened without an accelerator are numbered across the
    process. A session is equal only to itself. Its repr shows the kernel and the id, and never key material.
    """

    kernel: Kernel
    key: Any
    id: int = field(default_factory=_serial.__next__)

    @classmethod
    def open(cls, kernel: Kernel, material: object, **params: Any) -> Session:
        """Load the key. Raises UsageError for a kernel that takes no key, for bad material, and for bad parameters."""
        load = kernel.load
        if load is None:
            raise UsageError(f"kernel {kernel.name!r} takes no key: submit without a session")
        _check_params(kernel.name, load, params)
        return cls(kernel, load(material, **params))

    def __repr__(self) -> str:
        return f"<Session {self.id} of {self.kernel.name}>"


def check_session(kernel: Kernel, session: Session | None) -> None:
    """Raises UsageError unless the session is one of this kernel. None is right for a kernel that needs no key."""
    if session is None:
        if kernel.load is not None:
            raise UsageError(f"kernel {kernel.name!r} needs a key: open a session for it and submit with that")
        return
    if not isinstance(session, Session):
        raise UsageError(f"session of type {type(session).__name__}: give what `session(op, key)` returned, or None")
    # Compared by identity and not by name: after register(..., replace=True) an old session belongs to the old kernel.
    if session.kernel is not kernel:
        if kernel.load is None:
            raise UsageError(f"kernel {kernel.name!r} takes no key: submit without {session!r}")
        raise UsageError(f"{session!r} can't run kernel {kernel.name!r}: open a session for {kernel.name!r}")


def _check_params(name: str, load: Callable[..., Any], params: dict[str, Any]) -> None:
    """Raises UsageError for parameters that the loader does not have. A call would raise TypeError for them."""
    try:
        signature = inspect.signature(load)
    except ValueError:  # a loader in C without a signature
        return
    try:
        signature.bind(None, **params)
    except TypeError as error:
        known = list(signature.parameters)[1:]
        takes = f"it takes {', '.join(known)}" if known else "it takes none"
        raise UsageError(f"parameters of kernel {name!r}: {error}; {takes}") from None
