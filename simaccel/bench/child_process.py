"""Runs a function in a new Python process, to measure its memory alone, or to trace it."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any


def command(fn: Callable[..., Any], *args: Any) -> list[str]:
    """The command line that calls fn(*args), both importable by name, and writes the pickled result to stdout."""
    return [sys.executable, "-m", __name__, pickle.dumps((fn, args)).hex()]


def call(fn: Callable[..., Any], *args: Any) -> Any:
    """The result of fn(*args), called in a child process. Blocks. Raises CalledProcessError if it fails; its traceback
    is on stderr."""
    return pickle.loads(subprocess.run(command(fn, *args), stdout=subprocess.PIPE, check=True).stdout)


def _main() -> None:
    fn, args = pickle.loads(bytes.fromhex(sys.argv[1]))
    sys.stdout.buffer.write(pickle.dumps(fn(*args)))


if __name__ == "__main__":
    _main()
