"""The same wait-context calls on both sides at once, compared after every one."""

from __future__ import annotations

from typing import Any

from tests.oracle.errors import DisagreementError
from tests.oracle.sides import KEYS, libcrypto_side, place, simaccel_side


class WaitPair:
    """Calls simaccel and libcrypto in step. Every call raises DisagreementError if they differ."""

    def __init__(self) -> None:
        self.ours, self.theirs = simaccel_side(), libcrypto_side()
        self.open: list[int] = []
        """Numbers of the contexts that are not freed."""
        self.history: list[str] = []

    def new(self) -> None:
        """A context on each side."""
        self.history.append("new")
        number = self.ours.new()
        self.theirs.new()
        self.open.append(number)
        self._compare(number)

    def call(self, name: str, ctx: int, *operands: Any) -> None:
        """ASYNC_WAIT_CTX_<name> on both sides, then everything that can be asked of the context."""
        self.history.append(f"{name}({', '.join(map(_name, (ctx, *operands)))})")
        self._same(name, self.ours.call(name, ctx, *operands), self.theirs.call(name, ctx, *operands))
        self._compare(ctx)

    def set_wait_fd(self, ctx: int, key: str, fd: int, custom_data: object, with_cleanup: bool) -> None:
        """The same call on each side, each with a cleanup of its own, which notes its calls."""
        self.history.append(f"set_wait_fd({ctx}, {_name(key)}, {fd}, {custom_data!r}, {with_cleanup})")
        answers = [
            side.call("set_wait_fd", ctx, key, fd, custom_data, side.cleanup if with_cleanup else None)
            for side in (self.ours, self.theirs)
        ]
        self._same("set_wait_fd", *answers)
        self._compare(ctx)

    def keys_set(self, ctx: int) -> list[str]:
        """The keys that have an entry in that context."""
        return [key for key in KEYS if self.theirs.door.ASYNC_WAIT_CTX_get_fd(self.theirs.contexts[ctx], key)[0]]

    def free(self, ctx: int) -> None:
        """Free it on both sides, and compare the cleanups."""
        self.history.append(f"free({ctx})")
        self.open.remove(ctx)
        self._same("free", self.ours.call("free", ctx), self.theirs.call("free", ctx))
        self._same("the cleanups", self.ours.cleanups, self.theirs.cleanups)

    def free_all(self) -> None:
        """Free what is left."""
        for ctx in list(self.open):
            self.free(ctx)

    def _compare(self, ctx: int) -> None:
        ours, theirs = self.ours.view(ctx), self.theirs.view(ctx)
        if ours != theirs:
            for name, answer in ours.items():
                self._same(name, answer, theirs[name])
        if self.ours.cleanups != self.theirs.cleanups:
            self._same("the cleanups", self.ours.cleanups, self.theirs.cleanups)

    def _same(self, what: str, ours: object, theirs: object) -> None:
        if ours != theirs:
            raise DisagreementError(
                f"after {', '.join(self.history)}: {what} is {ours!r} in simaccel, {theirs!r} in libcrypto"
            )


def _name(operand: object) -> str:
    number = place(operand, KEYS)
    return repr(operand) if number < 0 else f"key {number}"
