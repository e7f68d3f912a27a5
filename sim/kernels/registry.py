"""The kernels of one device, by name: all built-in ones, and the user's own."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

from sim.errors import UnknownKernelError, UsageError
from sim.kernels import aead, ecc, hashes, ml_dsa, ml_kem, rsa
from sim.kernels.kernel import Kernel, no_aux

BUILT_IN = (*hashes.KERNELS, *aead.KERNELS, *rsa.KERNELS, *ecc.KERNELS, *ml_dsa.KERNELS, *ml_kem.KERNELS)


class Kernels:
    """The registry of one device. A kernel that is registered here exists on this device only.

    Any thread may call every method, and none blocks. After an error nothing has changed.
    """

    __slots__ = ("by_name",)

    def __init__(self) -> None:
        self.by_name: dict[str, Kernel] = {kernel.name: kernel for kernel in BUILT_IN}
        """The hot path reads this instead of calling `get`. Only `register` and `add` change it."""

    def get(self, name: str) -> Kernel:
        """The kernel of that name. Raises UnknownKernelError."""
        try:
            return self.by_name[name]
        except (KeyError, TypeError):
            raise UnknownKernelError(self._unknown(name)) from None

    def register(self, name: str, function: Callable[[bytes], bytes], *, replace: bool = False) -> Kernel:
        """Add a kernel that runs `function(payload) -> bytes`, without a key and an aux.

        If the function raises, or does not return bytes, the request fails on the device. Raises UsageError for an
        ill-formed name, for a name that is taken (unless `replace`), and for a function that can't be called. Requests
        that are already prepared keep the kernel that they have.
        """
        if not callable(function):
            raise UsageError(f"kernel {name!r} with a {type(function).__name__}: give a function from bytes to bytes")
        return self.add(Kernel(name, _adapt(name, function), check=no_aux), replace=replace)

    def add(self, kernel: Kernel, *, replace: bool = False) -> Kernel:
        """Add a Kernel of your own, which may have a key, an aux and a check. Raises UsageError as `register` does."""
        if kernel.name in self.by_name and not replace:
            raise UsageError(f"kernel {kernel.name!r} exists already: choose another name, or give replace=True")
        self.by_name[kernel.name] = kernel
        return kernel

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self.by_name)

    def _unknown(self, name: object) -> str:
        close = get_close_matches(name, self.by_name, n=3) if isinstance(name, str) else []
        guess = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
        return (
            f"no kernel {name!r}: {guess}the kernels are {', '.join(self.names())}; "
            "register your own with register(name, function)"
        )


def _adapt(name: str, function: Callable[[bytes], bytes]) -> Callable[[bytes, bytes, Any], bytes]:
    def run(payload: bytes, aux: bytes, key: Any) -> bytes:
        result: object = function(payload)
        if type(result) is bytes:
            return result
        if isinstance(result, bytes | bytearray | memoryview):
            return bytes(result)
        raise TypeError(f"kernel {name!r} returned {type(result).__name__}: a kernel returns bytes")

    return run
