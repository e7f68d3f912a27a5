"""Where the randomness of the device comes from: one seed, and a stream for each use of it.

Equal seeds give equal streams on every Python from 3.11 on, in every process and whatever PYTHONHASHSEED says. A
stream of its own for each use keeps one use from shifting another: a fault rule added changes no service time.
"""

from __future__ import annotations

import random
import secrets
from hashlib import sha256

from sim.errors import UsageError


class Randomness:
    """A seed and the streams made from it. Immutable; any thread may call it. A stream belongs to one thread."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int | None = None) -> None:
        """`seed`: 0 or more; None picks one of 64 bits, to be read from `.seed` and printed. Raises UsageError."""
        if seed is None:
            seed = secrets.randbits(64)
        elif not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise UsageError(f"seed {seed!r}: use a whole number, 0 or more, or None to have one picked")
        self._seed = seed

    @property
    def seed(self) -> int:
        """The seed in use: give it again and get the same streams."""
        return self._seed

    def stream(self, name: str) -> random.Random:
        """A new generator for the use of that name. The same name starts the same stream again."""
        # Random.seed(int) is specified to the bit; of the draws, only random() and getrandbits() are stable
        # across Python versions, so users of a stream keep to those.
        digest = sha256(f"{self._seed}:{name}".encode()).digest()
        return random.Random(int.from_bytes(digest, "big"))

    def __repr__(self) -> str:
        return f"Randomness({self._seed})"
