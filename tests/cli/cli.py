"""The command line for tests: in this process, or as users run it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from simaccel.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Run:
    """How it ended, and what it printed."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Of stdout."""
        return self.out.decode()

    @property
    def errors(self) -> list[str]:
        """The lines of stderr."""
        return self.err.decode(errors="surrogateescape").splitlines()


class Cli:
    """Runs `simaccel` in this process."""

    def __init__(self, capture: pytest.CaptureFixture[bytes]) -> None:
        self._capture = capture

    def __call__(self, *arguments: str) -> Run:
        self._capture.readouterr()
        code = main(arguments)
        sys.stdout.flush()
        out, err = self._capture.readouterr()
        return Run(code, out, err)


def command(*arguments: str) -> list[str]:
    """The command line of a child that does the same."""
    return [sys.executable, "-m", "simaccel", *arguments]


def child(*arguments: str, stdin: bytes = b"") -> Run:
    """Run it in a child."""
    done = subprocess.run(command(*arguments), input=stdin, capture_output=True, cwd=ROOT, env=environment())
    return Run(done.returncode, done.stdout, done.stderr)


def environment() -> dict[str, str]:
    """Of a child: a warning there fails the test here too, as does a ResourceWarning for a device left open."""
    return {**os.environ, "PYTHONWARNINGS": "error", "PYTHONPATH": str(ROOT)}
