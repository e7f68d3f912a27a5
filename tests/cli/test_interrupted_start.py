"""Ctrl-C before a command has begun its work: while modules are imported, and when the process starts anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.cli import ROOT, Run, command, environment
from tests.limits import WAIT_S

INTERRUPTING = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
"""
"""A sitecustomize with which Ctrl-C comes at the very moment when a module is about to be imported."""


def interrupted(tmp_path: Path, module: str, words: list[str], **variables: str) -> Run:
    """Run a command that gets SIGINT when it imports `module`."""
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING.format(module=module))
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        words, capture_output=True, cwd=ROOT, env={**environment(), "PYTHONPATH": path, **variables}, timeout=WAIT_S
    )
    return Run(done.returncode, done.stdout, done.stderr)


MODULES = ["simaccel.cli.entry", "simaccel.cli.app", "typer", "engine.engine", "simaccel.cli.commands.run", "numpy"]
ENTRIES = {
    "python -m simaccel": command(),
    "the console script": [sys.executable, "-c", "import sys; from simaccel.cli import main; sys.exit(main())"],
}
"""The console script is what pip makes of `simaccel.cli:main`."""


@pytest.mark.parametrize("entry", ENTRIES)
@pytest.mark.parametrize("module", MODULES)
def test_an_import_is_interrupted_in_one_line(tmp_path: Path, entry: str, module: str) -> None:
    run = interrupted(tmp_path, module, [*ENTRIES[entry], "run", "--count", "1", "--op", "null"])
    assert (run.code, run.out, run.errors) == (130, b"", ["simaccel: interrupted"])


def test_the_signal_is_not_lost_while_the_process_starts_anew(tmp_path: Path) -> None:
    """With an OPENSSL_CONF the process runs its program anew; a SIGINT that comes just then waits for the new one."""
    config = tmp_path / "openssl.cnf"
    config.write_text("")
    # `site` is imported by the new interpreter, before anything of ours is: only the blocked signal gets through it.
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal\nif os.environ.get('OPENSSL_CONF') == os.devnull: os.kill(os.getpid(), signal.SIGINT)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        command("run", "--count", "1", "--op", "null"),
        capture_output=True,
        cwd=ROOT,
        env={**environment(), "PYTHONPATH": path, "OPENSSL_CONF": str(config)},
        timeout=WAIT_S,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"simaccel: interrupted\n")


def test_where_it_is_ignored_it_stays_ignored(tmp_path: Path) -> None:
    """As for a command under nohup, or in the background of a script."""
    ignoring = "import os, signal as s, sys; s.signal(s.SIGINT, s.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    words = [sys.executable, "-c", ignoring, *command("run", "--count", "1", "--op", "null")]
    run = interrupted(tmp_path, "simaccel.cli.app", words)
    assert run.code == 0


def test_a_caller_in_the_process_keeps_its_handler(monkeypatch: pytest.MonkeyPatch) -> None:
    """`main(arguments)` is called by tests and programs, whose signals are their own."""
    from simaccel.cli import main

    before = signal.getsignal(signal.SIGINT)
    assert main(["--version"]) == 0
    assert signal.getsignal(signal.SIGINT) is before
