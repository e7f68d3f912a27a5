"""Standard streams that are closed, full, or read by nobody."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from simaccel.bridge import read_report
from simaccel.cli.standard_streams import prepare
from tests.bridge.device import fresh_address
from tests.cli.cli import ROOT, command, environment
from tests.effort import some
from tests.waiting import wait_until


def _shell(redirected: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = ["sh", "-c", f'"$@" {redirected}', "sh", *command(*arguments)]
    return subprocess.run(words, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True)


PRINTING = [["run", "--count", "5"], ["run", "--digests", "LICENSE"], ["info"], ["--version"], ["run", "--help"]]


@pytest.mark.parametrize("arguments", some(PRINTING, 2), ids=" ".join)
def test_a_closed_stdout_is_told_in_one_line(arguments: list[str]) -> None:
    done = _shell(">&-", *arguments)
    errors = [line for line in done.stderr.splitlines() if "seed" not in line]
    assert (done.returncode, errors) == (1, ["simaccel: standard output: Bad file descriptor"])


@pytest.mark.parametrize("closed", some(["2>/dev/full", "2>&-", "0<&- 2>&-"], 2))
def test_what_nobody_can_be_told_does_not_get_into_the_output(closed: str) -> None:
    missing = ["run", "--digests", "/nonexistent", "LICENSE"]
    done = _shell(closed, *missing)
    expected = subprocess.run(["sha256sum", "LICENSE"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, expected.stdout)
    assert _shell(closed, "run", "--depth", "3").returncode == 2


def test_a_closed_stdin_is_an_unreadable_file() -> None:
    done = _shell("<&-", "run", "--digests")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[1:] == ["simaccel: -: Bad file descriptor"]


def test_no_file_of_ours_gets_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    # All three are closed, and the device opens fds: what it prints must not come into one of them.
    target = tmp_path / "out.json"
    done = _shell("<&- >&- 2>&-", "run", "--count", "5", "--op", "null", "--notify", "all", "--json", str(target))
    assert done.returncode == 1
    script = (
        "import os\nfrom simaccel.cli.standard_streams import prepare\nprepare()\n"
        "links = [os.readlink(f'/proc/self/fd/{number}') for number in range(3)]\n"
        f"open({str(target)!r}, 'w').write(' '.join(links))"
    )
    words = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", sys.executable, "-c", script]
    subprocess.run(words, cwd=ROOT, env=environment(), check=True)
    assert target.read_text() == "/dev/null /dev/null /dev/null"


@pytest.mark.in_ci
def test_a_name_that_the_encoding_does_not_have_is_shown_with_escapes(tmp_path: Path) -> None:
    folder = tmp_path / "fö\udcff"
    done = subprocess.run(
        command("bench", "--row", "import", "--rounds", "1", "--out", str(folder)),
        cwd=ROOT,
        env=environment() | {"PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert f"the page: {tmp_path}/f\\xf6\\udcff/index.html" in done.stdout


def test_open_streams_are_left_alone() -> None:
    before = (sys.stdin, sys.stdout, sys.stderr)
    prepare()
    assert (sys.stdin, sys.stdout, sys.stderr) == before


def test_a_device_goes_on_when_nobody_reads_its_statistics() -> None:
    address = fresh_address()
    words = command("serve", "--socket", address, "--stats-interval", "0.001")
    with subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as device:
        assert device.stdout is not None
        assert device.stdout.readline().startswith(b"serving at")
        assert b"in flight" in device.stdout.readline()
        device.stdout.close()
        # In so many intervals it has written more.
        wait_until(lambda: read_report(address)["uptime_ns"] > 100_000_000)
        device.terminate()
        assert device.stderr is not None
        assert device.stderr.read() == b""
    assert device.returncode == 0
