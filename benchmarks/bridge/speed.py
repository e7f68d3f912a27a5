"""Signatures a second by `openssl speed`, and what they take of the calling process's time."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.bridge.processes import cpu_s

SECONDS = 2


class Signed(NamedTuple):
    """What a run gave: signatures a second by the wall clock, and cores that its process kept busy meanwhile."""

    rate: float
    cores: float


def sign(algorithm: str, environment: Mapping[str, str], jobs: int | None) -> Signed:
    """Signs for SECONDS, with so many jobs, or without.

    The process's time is read when speed says that it begins to sign, and again when it says how often it did: neither
    its start nor verification, which is software in any case, is in it. Verification is cut off.
    """
    command = ["openssl", "speed", "-elapsed", "-seconds", str(SECONDS)]
    command += [] if jobs is None else ["-async_jobs", str(jobs)]
    with subprocess.Popen(
        [*command, algorithm], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        _read_until(process, rb"Doing .* for \d+s: ")
        before_s = cpu_s(process.pid)
        done = _read_until(process, rb"(\d+) .* in ([\d.]+)s\n")
        after_s = cpu_s(process.pid)
        process.terminate()
    seconds = float(done[2])
    return Signed(int(done[1]) / seconds, (after_s - before_s) / seconds)


def sign_in_processes(algorithm: str, environment: Mapping[str, str], count: int) -> Signed:
    """As many processes at once: what the machine gives in software."""
    command = ["openssl", "speed", "-elapsed", "-seconds", str(SECONDS), "-multi", str(count), algorithm]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    # The last line: '... 0.000302s 0.000017s   3315.5  59569.0' or, for elliptic curves, the same with a name in front.
    return Signed(float(re.findall(r"([\d.]+)\s+[\d.]+\s*$", done.stdout.strip())[0]), float(count))


def _read_until(process: subprocess.Popen[bytes], wanted: bytes) -> re.Match[bytes]:
    assert process.stderr is not None
    said = b""
    while (found := re.search(wanted, said)) is None:
        more = os.read(process.stderr.fileno(), 4096)
        if not more:
            raise RuntimeError(f"openssl speed: {said.decode(errors='replace')}")
        said += more
    return found
