"""`simaccel openssl -- PROGRAM` runs the program as if it had been called directly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from simaccel.cli.openssl_setup.exec_program import IGNORED_BY_PYTHON, become, environment_of_caller
from tests.cli.cli import ROOT, command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

_SHOW = ("sh", "-c", "grep '^Sig[BIC]' /proc/self/status; env | grep -v '^OPENSSL_CONF=' | sort")
"""What a program inherits of signals, and its environment."""


def _only_a_warning(errors: str) -> bool:
    """No device is running here, of which there is a line. The program itself complains of nothing."""
    return all(line.startswith("simaccel: ") for line in errors.splitlines())


@pytest.fixture
def module(tmp_path: Path) -> str:
    """A provider: `simaccel openssl` asks only whether the file is there."""
    path = tmp_path / "simaccel.so"
    path.write_bytes(b"")
    return str(path)


@pytest.mark.parametrize("locale", [{}, {"LC_ALL": "C"}, {"LC_CTYPE": "C.UTF-8"}, {"LANG": "C.UTF-8"}], ids=str)
def test_a_program_inherits_what_it_would_inherit_without_us(module: str, locale: dict[str, str]) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "SIMACCEL_MODULE": module,
        "TMPDIR": str(Path(module).parent),
        **locale,
    }
    direct, through = (
        subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True)
        for words in (_SHOW, command("openssl", "--", *_SHOW))
    )
    assert through.returncode == 0
    assert _only_a_warning(through.stderr)
    assert "SigIgn" in direct.stdout
    assert through.stdout == direct.stdout


def test_a_program_ends_when_its_reader_does(module: str) -> None:
    environment = {**os.environ, "SIMACCEL_MODULE": module, "TMPDIR": str(Path(module).parent)}
    words = command("openssl", "--", "yes")
    with subprocess.Popen(words, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.stderr is not None
        assert _only_a_warning(process.stderr.read().decode())
    assert process.returncode == -signal.SIGPIPE


def test_where_the_program_cannot_be_run_this_process_stays_as_it_was() -> None:
    before = [signal.getsignal(number) for number in IGNORED_BY_PYTHON]
    assert before == [signal.SIG_IGN] * len(IGNORED_BY_PYTHON)
    with pytest.raises(FileNotFoundError):
        become(["/no/such/program"], environment_of_caller())
    assert [signal.getsignal(number) for number in IGNORED_BY_PYTHON] == before
