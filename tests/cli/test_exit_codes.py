"""How the command line ends when it is not left to end by itself; and that it begins fast."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from simaccel.version import __version__
from tests.cli.cli import ROOT, Cli, child, command, environment
from tests.effort import some


def test_version(cli: Cli) -> None:
    for arguments in (["--version"], ["--version", "run"]):
        run = cli(*arguments)
        assert (run.code, run.text, run.err) == (0, f"simaccel {__version__}\n", b"")


def test_version_imports_nothing_slow() -> None:
    script = (
        "import sys; from simaccel.cli import main; main(['--version']);"
        "print([name for name in ('typer', 'rich', 'numpy', 'cryptography', 'sim') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=ROOT, env=environment()).stdout
    assert out.decode().splitlines()[1:] == ["[]"]


READ_BY_NOBODY = [["run", "--count", "50"], ["run", "--digests", "engine", "sim"], ["info"], ["--version"]]


@pytest.mark.parametrize("arguments", some(READ_BY_NOBODY, 1))
def test_a_reader_that_goes_away_ends_it_quietly(arguments: list[str]) -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    try:
        done = subprocess.run(command(*arguments), stdout=write_fd, stderr=subprocess.PIPE, cwd=ROOT, env=environment())
    finally:
        os.close(write_fd)
    errors = [line for line in done.stderr.decode().splitlines() if "seed" not in line]
    assert (done.returncode, errors) == (141, [])


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", some([["run", "--count", "5"], ["run", "--digests", "engine"], ["info"]], 1))
def test_a_full_disk_is_told_in_one_line(arguments: list[str]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, cwd=ROOT, env=environment())
    errors = [line for line in done.stderr.decode().splitlines() if "seed" not in line]
    assert done.returncode == 1
    assert errors == ["simaccel: standard output: No space left on device"]


def test_no_space_for_json(cli: Cli) -> None:
    run = cli("run", "--count", "5", "--op", "null", "--json", "/dev/full")
    assert run.code == 1
    assert run.errors == ["simaccel: /dev/full: No space left on device; make room there, or give another file"]


def test_info() -> None:
    run = child("info")
    assert (run.code, run.errors) == (0, [])
    facts = dict(line.split(":", 1) for line in run.text.splitlines())
    assert {"eventfd", "libcrypto", "cryptography", "GIL", "cores"} <= facts.keys()
    assert "OpenSSL" in facts["cryptography"]
    assert "rsa-sign" in facts["GIL"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        ("OSError(24, 'Too many open files')", "Too many open files; raise the limit of open files (ulimit -n)"),
        ("OSError(11, 'Try again')", "Try again; raise the limit of processes and threads (ulimit -u)"),
        (
            'RuntimeError("can\'t start new thread")',
            "can't start new thread; raise the limit of processes and threads (ulimit -u)",
        ),
        ("FileNotFoundError(2, 'No such file or directory', '/x')", "/x: No such file or directory"),
    ],
    ids=["files", "processes", "threads", "a file"],
)
def test_what_the_system_refuses_is_one_line(error: str, line: str) -> None:
    script = f"""
import sys
from simaccel.cli import entry

def refused(arguments):
    raise {error}

entry._carry_out = refused
sys.exit(entry.run([]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment())
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"simaccel: {line}\n")
