"""Turns of a contender in a process whose hot path is the Python, so that one run compares it with the compiled one.

The process is started at its first turn, and ends with the run. It measures its own time; only orders and results go
through its pipes.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import IO, Any

import hotpath
from simaccel.bench.interleaved_rounds import Samples, Turn, ratio

SUFFIX = ", in Python"
_children: list[subprocess.Popen[bytes]] = []


def both(name: str, fn: Callable[..., float], *args: Any) -> dict[str, Turn]:
    """The contender `name`, which is fn(*args). Where the hot path is compiled, also the same in Python.

    fn and args must be importable by name, because they are pickled.
    """
    turns: dict[str, Turn] = {name: partial(fn, *args)}
    if hotpath.COMPILED:
        turns[name + SUFFIX] = partial(_in_child, fn, *args)
    return turns


def in_python(times: Mapping[str, Samples], ours: str, peer: str, *, faster: bool) -> Samples | None:
    """The ratio to this peer of the contender `ours` in Python: of the times, or with `faster` of the rates. None if it
    was not measured."""
    taken = times.get(ours + SUFFIX)
    if taken is None:
        return None
    return ratio(times[peer], taken) if faster else ratio(taken, times[peer])


def _in_child(fn: Callable[..., float], *args: Any) -> float:
    if not _children:
        child = subprocess.Popen(
            [sys.executable, "-m", __name__],
            env={**os.environ, hotpath.VARIABLE: "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        _children.append(child)
        atexit.register(end)
    orders, answers = _children[0].stdin, _children[0].stdout
    assert orders is not None and answers is not None  # noqa: PT018 - both are pipes
    pickle.dump((fn, args), orders)
    orders.flush()
    return float(pickle.load(answers))


def end() -> None:
    """End the process, if there is one. The next turn starts a new one."""
    while _children:
        child = _children.pop()
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        child.wait()


def _serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Carry out orders until the parent closes the pipe. For the child."""
    while True:
        try:
            fn, args = pickle.load(orders)
        except EOFError:
            return
        pickle.dump(fn(*args), answers)
        answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
