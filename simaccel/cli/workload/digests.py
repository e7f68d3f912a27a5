"""`simaccel run --digests`: prints what sha256sum prints, computed on the device and checked against software.

A file of one block is one `sha256`. A longer file goes block by block through a kernel of our own, which keeps the
state of the file's hash on the device, as partial packets on QAT and MSG_MORE with AF_ALG do. So a file of any size
takes only two blocks of memory for each job.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from itertools import count
from typing import Any, BinaryIO

from cryptography.hazmat.primitives import hashes

from engine.drivers.scheduler import Scheduler
from engine.engine import Engine
from simaccel.cli.shell_quoting import quoted
from simaccel.cli.workload.failures import Failures
from simaccel.cli.workload.files import Unreadable, read_blocks, walk
from simaccel.cli.workload.meter import Meter
from simaccel.cli.workload.options import RunOptions
from simaccel.cli.workload.progress_bar import ProgressBar
from simaccel.cli.workload.results import WayResult
from simaccel.cli.workload.stopwatch import Stopwatch, until_interrupted

PARTIAL = "sha256-partial"
HEADER_BYTES = 9
"""Each block is preceded by the number of the file, and a byte that is 1 for the last block of the file."""


class PartialHashes:
    """The kernel PARTIAL, and its state: one unfinished hash for each file."""

    def __init__(self) -> None:
        self._states: dict[int, Any] = {}

    def run(self, payload: bytes) -> bytes:
        """Add one block. The blocks of a file come in order. Returns the digest after the last block, and b""
        before."""
        number = int.from_bytes(payload[: HEADER_BYTES - 1], "big")
        state = self._states.get(number)
        if state is None:
            state = self._states[number] = hashlib.sha256()
        state.update(memoryview(payload)[HEADER_BYTES:])
        if not payload[HEADER_BYTES - 1]:
            return b""
        del self._states[number]
        digest: bytes = state.digest()
        return digest

    def forget(self, number: int) -> None:
        """Drop the state of a file that could not be read to its end."""
        self._states.pop(number, None)


class InOrder:
    """Writes numbered lines to stdout in the order of their numbers, even if they arrive in another order."""

    def __init__(self) -> None:
        self._known: dict[int, bytes] = {}
        self._next = 0

    def put(self, number: int, line: bytes) -> None:
        """Take the line of this number. b"" means that the number has no line."""
        self._known[number] = line
        while self._next in self._known:
            sys.stdout.buffer.write(self._known.pop(self._next))
            self._next += 1


def print_digests(options: RunOptions, way: str, printing: bool, bar: ProgressBar, failures: Failures) -> WayResult:
    """Hash all files in one way, and check every digest against software. With `printing`, also print them."""
    meter = Meter()
    lines = InOrder()
    tally = _Tally()
    kernel = PartialHashes()
    numbers = count()
    stopwatch = Stopwatch()
    with until_interrupted(stopwatch) as stack:
        accel = stack.enter_context(options.accelerator())
        engine = stack.enter_context(options.engine(accel, way, meter.observe))
        sched = stack.enter_context(Scheduler())
        stopwatch.of(accel, engine)
        accel.register(PARTIAL, kernel.run)
        paths = walk(options.paths or ("-",), failures.add_path)

        def job() -> None:
            for path in paths:
                number = next(numbers)
                line = b""
                try:
                    with _open(path) as file:
                        digest = _digest(engine, file, number, meter, bar, tally)
                except (OSError, ValueError) as error:
                    kernel.forget(number)
                    failures.add_path(Unreadable(path, getattr(error, "strerror", None) or str(error)))
                except Exception as error:
                    kernel.forget(number)
                    tally.failed += 1
                    failures.add(f"{quoted(path)}, by {way}: {error}")
                else:
                    line = digest_line(digest, path) if digest else b""
                    if not digest:
                        failures.add(f"{quoted(path)}, by {way}: the digest is wrong")
                if printing:
                    lines.put(number, line)

        with stopwatch:
            jobs = [sched.spawn(job) for _ in range(options.jobs)]
            sched.run()
        for each in jobs:
            each.result()
    return stopwatch.result(way, meter, tally)


class _Tally:
    """Counts files."""

    def __init__(self) -> None:
        self.verified = self.failed = self.wrong = 0


def _digest(engine: Engine, file: BinaryIO, number: int, meter: Meter, bar: ProgressBar, tally: _Tally) -> bytes | None:
    """The digest of the file, or None if software gives another one. Raises what reading the file or the device
    raises."""
    software = hashes.Hash(hashes.SHA256())
    now_ns = engine.clock.now_ns
    result = b""
    for position, (block, last) in enumerate(_with_last(read_blocks(file))):
        called_ns = now_ns()
        if last and position == 0:
            result = engine.sha256(block)
        else:
            result = engine.call(PARTIAL, b"".join((number.to_bytes(8, "big"), bytes((last,)), block)))
        meter.record(called_ns)
        bar.step()
        software.update(block)
    if result != software.finalize():
        tally.wrong += 1
        return None
    tally.verified += 1
    return result


def _with_last(blocks: Iterator[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Each block, and whether it is the last."""
    block = next(blocks)
    for following in blocks:
        yield block, False
        block = following
    yield block, True


def _open(path: str) -> BinaryIO:
    return open(sys.stdin.fileno() if path == "-" else path, "rb", closefd=path != "-")


def digest_line(digest: bytes, path: str) -> bytes:
    """A line as sha256sum prints it. A name with a backslash, a line feed or a carriage return is escaped, and the line
    then begins with a backslash."""
    name = os.fsencode(path)
    escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != name else b"") + digest.hex().encode() + b"  " + escaped + b"\n"
