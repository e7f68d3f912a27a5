"""A program that others wrote, and that waits by callback: testapp of Intel's QAT_Engine, which qat_testapp.sh builds.

Its jobs do not belong to TLS: it starts them itself, with ASYNC_start_job, and gives each wait context a callback. It
checks each result itself, and never reads a wait context's status. So each job must be called back, also one that has
met a full ring.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from tests.bridge.device import SERVE, DeviceProcess
from tests.limits import WAIT_S
from tests.servers.running import environment
from tests.servers.server import package_version
from tests.waiting import wait_until

JOBS = 40
MANY_JOBS = 300
"""More than the ring of a client has slots."""
SLOTS = 128
KILLS = 3
DONE = {"rsa2048": ("rsa-sign", 2), "ecdhx25519": ("x25519", 2)}
"""For each of its tests: what a job does on the device, and how often. RSA is signed with four paddings, two of which
only software does."""


@dataclass(slots=True)
class Called:
    """What was seen. All checks have passed."""

    counted: int = 0
    """Operations by callback that the device counted exactly."""
    full: int = 0
    """How often a job met a full ring, and went on after it was called back."""
    killed: int = 0
    kills: int = 0
    """Operations on devices that were killed afterwards, and how many these were. Nothing failed in the program."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The row of the page."""

    name: str
    title: str
    folder: Path
    """Where qat_testapp.sh has built it."""

    @property
    def program(self) -> Path:
        """The program itself."""
        return self.folder / "testapp"

    @property
    def installed(self) -> bool:
        """Whether it can be run here."""
        return self.program.exists()

    @property
    def install(self) -> str:
        """The command that builds it."""
        return "tests/servers/qat_testapp.sh"

    @property
    def packages(self) -> tuple[str, ...]:
        """It is built, not installed."""
        return ()

    def version(self) -> str:
        """The version of its source."""
        text = (self.folder / "usr/src/qatengine/qat_provider.h").read_text()
        found = re.search(r'QAT_PROVIDER_VERSION_STR "v([\d.]+)"', text)
        assert found is not None
        return found[1]

    def openssl(self) -> str:
        """The version of this machine's OpenSSL, to which it is linked."""
        return package_version("libssl3").partition("-")[0]


TESTAPP = Caller("qat_testapp", "testapp of Intel's QAT_Engine", Path("/var/tmp/simaccel-qat-testapp"))
CALLERS = {TESTAPP.name: TESTAPP}
"""By name."""


def check_caller(caller: Caller, provider: Path, *, kills: int = KILLS) -> dict[str, Any]:
    """Run its tests by callback, on a device, with a full ring, and on devices that are killed. Returns what was seen,
    for JSON. Raises AssertionError."""
    seen = Called()
    with DeviceProcess(module=SERVE) as device:
        for test in DONE:
            _exact(caller, provider, device, test, JOBS, seen)
        told = _exact(caller, provider, device, "rsa2048", MANY_JOBS, seen)
        assert told["full"] > 0, told
        seen.full = told["full"]
    _kill(caller, provider, seen, kills)
    return asdict(seen)


def _exact(caller: Caller, provider: Path, device: DeviceProcess, test: str, jobs: int, seen: Called) -> dict[str, int]:
    """Run one test with so many jobs at once. Returns what the program told the device."""
    before = device.stat()
    with _running(caller, provider, device.address, test, "-async_jobs", str(jobs), "-v") as (process, output):
        status, text = process.wait(WAIT_S), _text(output)
    assert (status, "# FAIL" in text) == (0, False), text
    assert text.count("# PASS") >= jobs, text
    wait_until(lambda: not device.stat()["clients"])
    after = device.stat()
    operation, each = DONE[test]
    assert after["by_op"][operation] - before["by_op"].get(operation, 0) == each * jobs, after["by_op"]
    told = {name: value - before["told"].get(name, 0) for name, value in after["told"].items()}
    assert told["offloaded"] == each * jobs, told
    assert 0 <= told["pauses"] - told["offloaded"] - told["spurious"] <= told["full"], told
    assert told["blocked"] == 0, told
    assert told["software"] == told["unsupported"], told
    assert jobs > SLOTS or told["full"] == 0, told
    seen.counted += each * jobs
    return told


def _kill(caller: Caller, provider: Path, seen: Called, kills: int) -> None:
    """The test that goes on for ever: it signs, by callback, while each device is killed and another one is started."""
    device = DeviceProcess(module=SERVE)
    try:
        for_ever = ("-perf", "-sign", "-async_jobs", "16", "-c", str(1 << 30))
        with _running(caller, provider, device.address, "rsa2048", *for_ever) as (process, output):
            for _ in range(kills):
                seen.killed += _used(device, process, output)
                seen.kills += 1
                device.kill()
                device = DeviceProcess(device.address, module=SERVE)
            _used(device, process, output)
    finally:
        device.close()


def _used(device: DeviceProcess, process: subprocess.Popen[bytes], output: IO[bytes]) -> int:
    """How many operations the device has done, once they are enough. Raises AssertionError if the program ends before
    that, or says that something failed."""

    def done() -> int:
        assert process.poll() is None, _text(output)
        assert "# FAIL" not in _text(output), _text(output)
        return int(device.stat()["by_op"].get("rsa-sign", 0))

    wait_until(lambda: done() >= 2 * JOBS)
    return done()


@contextmanager
def _running(
    caller: Caller, provider: Path, address: str, test: str, *options: str
) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The program with one of its tests, by callback, and the file with what it prints. It is ended after that."""
    program = (str(caller.program), "-provider", "default", "-callback", *options, test)
    command = [sys.executable, "-m", "simaccel", "openssl", "--", *program]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, env=environment(address, provider), stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process, output
        finally:
            process.kill()
            process.wait(WAIT_S)


def _text(output: IO[bytes]) -> str:
    """What the program has printed so far. The file's position, at which the program writes, stays."""
    return os.pread(output.fileno(), 1 << 24, 0).decode(errors="replace")
