"""Signatures per second by `openssl speed`, and the processor time that they take in the calling process."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from benchmarks.bridge.processes import cpu_s

SECONDS = 2


class Signed(NamedTuple):
    """The results of a run: signatures per second by the wall clock, and how many cores its process kept busy."""

    rate: float
    cores: float


def sign(algorithm: str, environment: Mapping[str, str], jobs: int | None) -> Signed:
    """Signs for SECONDS, with this many jobs, or without jobs.

    The processor time is read when `openssl speed` prints that it begins to sign, and again when it prints how often it
    has signed. So it includes neither the start nor the verification, which is always software and is cut off.
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
    """The same with this many processes at once: the rate that the machine reaches in software."""
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
