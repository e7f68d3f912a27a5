"""Ctrl-C at the jump back of a loop does not get past a `try` around the loop: see loops_in_try.py."""

from __future__ import annotations

import _thread
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import CodeType

import pytest

from tests.loops_in_try import unprotected_jumps
from tests.project.source import ROOT, modules

FOLDERS = ("waitctx", "sim", "engine", "hotpath", "simaccel")
COMMANDS = ("simaccel/bench/", "simaccel/certify/", "simaccel/cli/", "simaccel/testing/python_servers/")
"""Ctrl-C ends these, and with the process all that it holds."""
ALLOWED = {
    "sim/assistant.py": "what it has done and not completed stays on the ring, and the worker does it once more",
    "sim/timing/columns.py": "the try is only for csv.Error",
    "engine/offload/perform.py": "in _give_up, which is called once more, and whose `with` only drops an error",
    "hotpath/choice.py": "the try is only for OSError",
    "simaccel/tracing/file.py": "the try is only for OSError",
    "simaccel/testing/contract_suite/device_cases.py": "the harness is closed with the accelerator",
    "simaccel/testing/exploration/explore.py": "a @contextmanager, whose end runs when the generator is freed",
    "simaccel/testing/exploration/run.py": "in _end, with nothing to give back",
    "simaccel/testing/models/engine_model.py": "the run ends what its actors have begun",
}


class Interrupts(dict[object, object]):
    """Looking something up in it makes a Ctrl-C pending, and is no call, after which CPython would look for signals."""

    __missing__ = staticmethod(_thread.interrupt_main)  # of the signal that is looked up


INTERRUPTS = Interrupts()
SIGINT = 2


def condition_first() -> str:
    try:
        while INTERRUPTS is not None:
            INTERRUPTS[SIGINT]
    except KeyboardInterrupt:
        return "caught"


def condition_last() -> str:
    try:
        for _ in (1, 2, 3):
            if INTERRUPTS[SIGINT]:
                return "never"
    except KeyboardInterrupt:
        return "caught"
    return "never"


def in_a_comprehension() -> str:
    try:
        return str([one for one in (1, 2, 3) if INTERRUPTS[SIGINT]])
    except KeyboardInterrupt:
        return "caught"


def in_a_with() -> str:
    with suppress(KeyboardInterrupt):
        while INTERRUPTS is not None:
            INTERRUPTS[SIGINT]
    return "caught"


def leaves_in_the_middle() -> str:
    count = 0
    try:
        while True:
            if count > 3:
                break
            INTERRUPTS[SIGINT]
            count += 1
    except KeyboardInterrupt:
        return "caught"
    return "never"


def unconditional() -> str:
    try:
        for _ in (1, 2, 3):
            INTERRUPTS[SIGINT]
    except KeyboardInterrupt:
        return "caught"
    return "never"


@pytest.mark.parametrize(
    "loop", [condition_first, condition_last, in_a_comprehension, in_a_with, leaves_in_the_middle, unconditional]
)
def test_a_ctrl_c_gets_past_the_try_where_a_jump_is_found(loop: Callable[[], str]) -> None:
    found = list(unprotected_jumps(loop.__code__))
    if found:
        with pytest.raises(KeyboardInterrupt):
            loop()
    else:
        assert loop() == "caught"


@pytest.mark.parametrize("loop", [condition_last, in_a_comprehension])
def test_a_condition_at_the_end_of_a_loop_is_found(loop: Callable[[], str]) -> None:
    assert bool(list(unprotected_jumps(loop.__code__))) == (sys.version_info >= (3, 13))


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13, a `try` holds the jumps of the loops in it")
def test_ours_are_in_functions_of_their_own() -> None:
    found: dict[str, list[str]] = {}
    for module in modules(*FOLDERS):
        name = str(module)
        if not name.startswith(COMMANDS):
            jumps = unprotected_jumps(_compiled(ROOT / module))
            found[name] = [f"line {jump.positions.lineno}" for jump in jumps if jump.positions is not None]
    assert {name: lines for name, lines in found.items() if lines and name not in ALLOWED} == {}


def _compiled(path: Path) -> CodeType:
    return compile(path.read_bytes(), str(path), "exec")
