"""Checks rules on a provider or engine. Each rule gets a process of its own, which runs the driver in C."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim import UsageError
from simaccel.certify.accelerators.rules import Rule
from simaccel.certify.device.handle import ScriptedDevice
from simaccel.certify.patience import CONNECT_MS
from simaccel.certify.results.verdict import CertifyVerdict, Decision, Result
from simaccel.certify.server_process.process_tree import die_with
from simaccel.cli.openssl_setup.exec_program import environment_of_caller

SOURCES = sorted(map(str, Path(__file__).parent.glob("*.c")))
FLAGS = ("-std=gnu11", "-O1", "-g", "-Wall")
WAYS = ("fd", "callback")
PASSED, BROKEN, DOES_NOT_APPLY = 0, 1, 77
SETTINGS = {"SIMACCEL_ENTRIES": "8", "SIMACCEL_DEADLINE_MS": "0", "SIMACCEL_CONNECT_MS": str(CONNECT_MS)}
"""Settings for our own provider; others ignore them. The ring is small, so that the rule `full` finds it full. All
waits are so long that a slow machine does not end them."""
DELAY_NS = 2_000_000
"""How long our own device takes, so that operations are in flight when a rule needs some."""


@dataclass(frozen=True, slots=True)
class JudgedLibrary:
    """What is certified. Raises UsageError if it is not a file."""

    kind: str
    """provider, or engine."""
    path: Path
    name: str
    """The value of the property `provider` of its algorithms."""
    limit_s: int
    operations: int

    def __post_init__(self) -> None:
        if not self.path.is_file():
            raise UsageError(f"{self.path}: there is no such file; give the path of the {self.kind}'s library")


def build(folder: Path) -> Path:
    """The driver, compiled for the system's libcrypto. Raises UsageError without a compiler or headers."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise UsageError("there is no C compiler for the driver: install gcc and libssl-dev")
    driver = folder / "driver"
    done = subprocess.run(
        [compiler, *FLAGS, "-o", str(driver), *SOURCES, "-lcrypto", "-pthread"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr[:200])
        raise UsageError(f"the driver can't be compiled: {first}; install libssl-dev")
    return driver


def certify(
    accelerator: JudgedLibrary,
    rules: Sequence[Rule],
    driver: Path,
    again: Callable[[str], str],
    tell: Callable[[CertifyVerdict], object],
) -> Result:
    """Check the rules. Blocks. `tell` gets each verdict as it comes, `again` returns the command for one rule alone."""
    verdicts = []
    with ScriptedDevice() as device:  # for our own provider
        device.pass_on(delay_ns=DELAY_NS)
        for rule in rules:
            verdict = _verdict(accelerator, rule, driver, device.address, again(rule.name))
            verdicts.append(verdict)
            tell(verdict)
    return Result(str(accelerator.path), accelerator.kind, None, tuple(verdicts))


def _verdict(accelerator: JudgedLibrary, rule: Rule, driver: Path, address: str, again: str) -> CertifyVerdict:
    begun_s = time.monotonic()
    parts = [(way, *_check(accelerator, rule, way, driver, address)) for way in WAYS]
    codes = {code for _, code, _ in parts}
    if codes - {PASSED, DOES_NOT_APPLY}:
        outcome = Decision.FAILED
        parts = [part for part in parts if part[1] not in (PASSED, DOES_NOT_APPLY)]
    else:
        outcome = Decision.PASSED if PASSED in codes else Decision.DOES_NOT_APPLY
        parts = [part for part in parts if part[1] == PASSED] or parts
    seen = "; ".join(dict.fromkeys(f"by {way}: {text}" for way, _, text in parts))
    return CertifyVerdict(rule.name, rule.what, outcome, seen, 0.0, time.monotonic() - begun_s, again)


def _check(accelerator: JudgedLibrary, rule: Rule, way: str, driver: Path, address: str) -> tuple[int, str]:
    """The exit code of the driver, and what it says."""
    environment = {name: text for name, text in environment_of_caller().items() if not name.startswith("SIMACCEL_")}
    environment |= {"OPENSSL_CONF": "/dev/null", "SIMACCEL_SOCKET": address, **SETTINGS}
    words = [str(driver), accelerator.kind, str(accelerator.path), accelerator.name, rule.name, way]
    words += [str(accelerator.limit_s), str(accelerator.operations)]
    process = subprocess.Popen(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=_as_our_child,
    )
    try:
        out, _ = process.communicate()
    finally:
        process.kill()
        process.wait()
    lines = out.decode(errors="replace").strip().splitlines()
    if process.returncode < 0:
        return BROKEN, f"crashed by {signal.Signals(-process.returncode).name}"
    text = lines[-1] if lines else "it said nothing"
    return process.returncode, "".join(letter if letter.isprintable() else "?" for letter in text)


def _as_our_child() -> None:
    die_with(os.getppid())
