"""Where an exception can come in a function, by its compiled code. `interrupting.py` raises one there.

- `signal_places`: where CPython runs signal handlers, so that a KeyboardInterrupt can come: after a call, and when a
  loop jumps back. On entry to a function it does so too (`entry`). Code without any of these can't be interrupted.
- `line_places`: before each line, for MemoryError and RecursionError, which come from the line that fails. Lines that
  can't fail, because they only load and store, are left out. So is the end of a `with`, at which CPython runs no signal
  handler.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from types import CodeType

_LOOKS_FOR_SIGNALS = {"CALL", "CALL_FUNCTION_EX", "CALL_KW"}
_CANNOT_FAIL = {
    *("CACHE", "COPY", "EXTENDED_ARG", "NOP", "POP_TOP", "PUSH_NULL", "SWAP", "RESUME", "PUSH_EXC_INFO", "POP_EXCEPT"),
    *("LOAD_ATTR", "LOAD_CONST", "LOAD_DEREF", "LOAD_FAST", "LOAD_GLOBAL", "LOAD_FAST_LOAD_FAST", "LOAD_CLOSURE"),
    *("STORE_ATTR", "STORE_DEREF", "STORE_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST", "DELETE_FAST"),
    *("BINARY_SUBSCR", "DELETE_SUBSCR", "CHECK_EXC_MATCH", "COMPARE_OP", "CONTAINS_OP", "IS_OP", "UNARY_NOT"),
    *("JUMP_FORWARD", "JUMP_BACKWARD", "POP_JUMP_IF_FALSE", "POP_JUMP_IF_TRUE", "POP_JUMP_IF_NONE"),
    *("POP_JUMP_IF_NOT_NONE", "POP_JUMP_FORWARD_IF_FALSE", "POP_JUMP_FORWARD_IF_TRUE", "POP_JUMP_FORWARD_IF_NONE"),
    *("POP_JUMP_FORWARD_IF_NOT_NONE", "POP_JUMP_BACKWARD_IF_FALSE", "POP_JUMP_BACKWARD_IF_TRUE"),
    *("JUMP_IF_FALSE_OR_POP", "JUMP_IF_TRUE_OR_POP", "TO_BOOL", "RERAISE", "RETURN_CONST", "RETURN_VALUE"),
    # of 3.14
    *("LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_SMALL_INT", "NOT_TAKEN", "POP_ITER"),
}
"""Instructions that need no memory and no deeper stack with the operands that our code has."""


@cache
def entry(code: CodeType) -> int:
    """The offset of the first RESUME."""
    return next(one.offset for one in dis.get_instructions(code) if one.opname == "RESUME")


@cache
def signal_places(code: CodeType) -> frozenset[int]:
    """The offsets of the instructions before which a signal handler can run: those after a call, and jumps back."""
    instructions = [one for one in dis.get_instructions(code) if one.opname != "EXTENDED_ARG"]
    handlers = _handlers(code)
    places = set()
    for one, following in pairwise(instructions):
        goes_on = one.opname == "RESUME" and one.arg  # a generator or coroutine; arg 0 is the entry
        # Where what follows has another handler, as in `with lock: return f()`, it would not be as in the call itself.
        called = one.opname in _LOOKS_FOR_SIGNALS and handlers(one.offset) == handlers(following.offset)
        # Up to 3.12, a jump back that is not in the `try` around its loop raises as from inside: see loops_in_try.py.
        as_before = handlers(one.offset) == handlers(following.offset)
        jumps = following.opname == "JUMP_BACKWARD" and (as_before or sys.version_info >= (3, 13))
        if goes_on or called or jumps:
            places.add(following.offset)
    return frozenset(places)


@cache
def line_places(code: CodeType) -> frozenset[int]:
    """The offsets of the first instructions of lines that can fail."""
    lines: list[list[dis.Instruction]] = []
    starts = {start for start, line in dis.findlinestarts(code) if line is not None}
    for instruction in dis.get_instructions(code):
        if instruction.offset in starts or not lines:
            lines.append([])
        lines[-1].append(instruction)
    return frozenset(
        line[0].offset
        for line in lines
        if line[0].opname != "RESUME" and not _ends_with(line) and not all(map(_cannot_fail, line))
    )


def _cannot_fail(one: dis.Instruction) -> bool:
    return one.opname in _CANNOT_FAIL or (one.opname == "BINARY_OP" and one.argrepr == "[]")  # BINARY_SUBSCR, in 3.14


def _ends_with(line: list[dis.Instruction]) -> bool:
    """Whether this calls the `__exit__` of a `with`: with three Nones, or with the exception."""
    names = [instruction.opname for instruction in line]
    nones = [one.opname == "LOAD_CONST" and one.argval is None for one in line[:3]]
    return (len(nones) == 3 and all(nones)) or "WITH_EXCEPT_START" in names


def _handlers(code: CodeType) -> Callable[[int], int | None]:
    entries = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]

    def handler(offset: int) -> int | None:
        return next((entry.target for entry in entries if entry.start <= offset < entry.end), None)

    return handler
