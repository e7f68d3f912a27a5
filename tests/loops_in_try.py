"""Finds loops in a `try` or `with` out of which an exception such as Ctrl-C gets past the `try`: `unprotected_jumps`.

CPython looks for signals when a loop jumps back. If a condition decides about that jump, the compilers of CPython 3.12
and later make a jump of its own for it, and leave that out of the `try` around the loop:

    while condition: ...    # in 3.12 and 3.13, which look at the condition again at the end of the loop
    for one in many:        # in 3.12 to 3.14, also in a comprehension and in `while True:`
        if condition: ...   # as the last statement of the loop

In 3.13 and later an exception that comes with such a jump skips every `except`, `finally` and `__exit__` of the
function. So a lock stays taken, and what the `finally` would have given back is lost. In 3.12 it comes as from the
instruction just before the loop's first one, which is inside of the `try`.

The cure is to put the loop into a function of its own, and to call that in the `try`. Where that costs too much, write
`while True:` with an `if ...: break` that is not the last statement.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Iterator
from types import CodeType

_LEFT_OUT = {"EXTENDED_ARG", "CACHE", "NOT_TAKEN"}


def unprotected_jumps(code: CodeType) -> Iterator[dis.Instruction]:
    """The jumps back in this code and in the functions inside of it, at which an exception gets past a `try` around the
    loop."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from unprotected_jumps(constant)
    handler = _handlers(code)
    instructions = [one for one in dis.get_instructions(code) if one.opname not in _LEFT_OUT]
    for number, jump in enumerate(instructions):
        if "JUMP_BACKWARD" not in jump.opname or "NO_INTERRUPT" in jump.opname:
            continue
        # What decides about the jump may be left out as the jump is.
        before = next(one for one in instructions[number - 1 :: -1] if not one.opname.startswith("POP_JUMP"))
        comes_from = jump.offset if sys.version_info >= (3, 13) else jump.argval - 2
        protected = handler(before.offset)
        if protected is not None and handler(jump.argval) == protected != handler(comes_from):
            yield jump


def _handlers(code: CodeType) -> Callable[[int], int | None]:
    """For an offset, that of the first code of ours that handles an exception from there; None if there is none."""
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]
    opnames = {one.offset: one.opname for one in dis.get_instructions(code)}

    def handler(offset: int) -> int | None:
        for entry in entries:
            if entry.start <= offset < entry.end:
                # What begins otherwise is the compiler's: the end of a comprehension, or of a generator.
                return entry.target if opnames[entry.target] == "PUSH_EXC_INFO" else handler(entry.target)
        return None

    return handler
