"""The randomness of the device: one seed, and a stream of random numbers for each use.

Equal seeds give equal streams on every Python from 3.11 on, in every process, whatever PYTHONHASHSEED is. Each use has
a stream of its own, so that no use changes the numbers of another: one more fault rule changes no service time.
"""

from __future__ import annotations

import random
import secrets
from hashlib import sha256

from sim.errors import UsageError


class Randomness:
    """A seed, and the streams that are made from it. Immutable, and for any thread. A stream is for one thread."""

    __slots__ = ("_seed",)

    def __init__(self, seed: int | None = None) -> None:
        """`seed`: 0 or more. With None a seed of 64 bits is drawn; read it from `.seed`.

        Raises UsageError for any other seed.
        """
        if seed is None:
            seed = secrets.randbits(64)
        elif not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
            raise UsageError(f"seed {seed!r}: use a whole number, 0 or more, or None to have one picked")
        self._seed = seed

    @property
    def seed(self) -> int:
        """The seed in use. The same seed gives the same streams."""
        return self._seed

    def stream(self, name: str) -> random.Random:
        """A new generator for the use of that name. The same name gives the same stream, from its start."""
        # Python specifies to the bit how Random is seeded by an int. Of its methods only random() and getrandbits()
        # give the same numbers in all versions of Python, so users of a stream call nothing else.
        digest = sha256(f"{self._seed}:{name}".encode()).digest()
        return random.Random(int.from_bytes(digest, "big"))

    def __repr__(self) -> str:
        return f"Randomness({self._seed})"
