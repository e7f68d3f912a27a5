"""What can be seen of a running process from outside: whether it has the provider, and what the provider reports.

The provider maps a page whose name is its report (provider/report.h), so /proc/PID/maps is enough to read the report.
The page holds the address of the counters. To read these, we need the right to read the process's memory.
"""

from __future__ import annotations

import os
import re
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sim import UsageError
from simaccel.bridge.wire import COUNTS, MAGIC

MODULE = "simaccel.so"

_MAPPING = re.compile(rb"([0-9a-f]+)-[0-9a-f]+ \S+ \S+ \S+ \d+ +(.*)")
_REPORT = re.compile(r"/memfd:simaccel-status (\d+) (\d+) ([a-z]+): (.*?)(?: \(deleted\))?")
_CONTENTS = struct.Struct("<IIQ")
_LIBCRYPTO = re.compile(r"libcrypto[-.\w]*\.so[.\d]*")


@dataclass(frozen=True, slots=True)
class Report:
    """The last report of the provider in a process."""

    pid: int
    """The pid of the process that made the report, as it sees itself. In the child of a fork it may be that of a
    parent."""
    at_ns: int
    state: str
    """One of the words in provider/report.c."""
    text: str
    address: int
    """The address of the page in the process."""

    @property
    def age_s(self) -> float:
        """How old the report is."""
        return max(0.0, (time.monotonic_ns() - self.at_ns) / 1e9)


@dataclass(frozen=True, slots=True)
class Process:
    """A running process, as it was at one moment."""

    pid: int
    name: str
    pids: frozenset[int]
    """Its pid, and the pids that it has in inner pid namespaces."""
    module: str | None
    """The path of the provider that it has loaded."""
    libcryptos: tuple[str, ...]
    """The paths of all libcryptos that it has loaded. Those that came with a package have other names."""
    report: Report | None

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process with this pid. Raises UsageError if there is none, or we may not look at it."""
        process = cls._look(pid)
        if process is None:
            raise UsageError(f"there is no process {pid}")
        return process

    @classmethod
    def all_of(cls, pids: Iterable[int]) -> list[Process]:
        """The processes with these pids, without those that have ended meanwhile. Raises UsageError if we may not look
        at one."""
        return [process for process in map(cls._look, pids) if process is not None]

    @classmethod
    def _look(cls, pid: int) -> Process | None:
        folder = Path(f"/proc/{pid}")
        try:
            maps = (folder / "maps").read_bytes()
            status = (folder / "status").read_text(errors="replace")
            name = (folder / "comm").read_text(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        except PermissionError:
            raise UsageError(f"process {pid} is another user's: call this as that user, or as root") from None
        mappings = [
            (int(found[1], 16), os.fsdecode(found[2])) for found in map(_MAPPING.match, maps.splitlines()) if found
        ]
        paths = dict.fromkeys(path for _, path in mappings)
        return cls(
            pid=pid,
            name=name,
            pids=frozenset({pid, *_namespace_pids(status)}),
            module=next((path for path in paths if path.removesuffix(" (deleted)").endswith(f"/{MODULE}")), None),
            libcryptos=tuple(
                path for path in paths if _LIBCRYPTO.fullmatch(Path(path.removesuffix(" (deleted)")).name)
            ),
            report=_report(mappings),
        )

    @property
    def inherited(self) -> bool:
        """Whether the report was inherited from a parent, and the process has made none since the fork."""
        return self.report is not None and self.report.pid not in self.pids

    @property
    def in_our_network(self) -> bool:
        """Whether the process has our network namespace, so that abstract names of sockets mean the same. True if that
        can't be read."""
        try:
            return os.path.samefile(f"/proc/{self.pid}/ns/net", "/proc/self/ns/net")
        except OSError:
            return True

    def counts(self) -> dict[str, int] | None:
        """What the provider has counted in this process. None if we may not read it, or the process has ended."""
        if self.report is None:
            return None
        try:
            memory = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            magic, count, address = _CONTENTS.unpack(os.pread(memory, _CONTENTS.size, self.report.address))
            if magic != MAGIC or not 0 < count <= 64:
                return None
            values = struct.unpack(f"<{count}Q", os.pread(memory, 8 * count, address))
        except (OSError, OverflowError, struct.error):
            return None
        finally:
            os.close(memory)
        return dict(zip(COUNTS, values, strict=False))

    def environment(self, name: str) -> str | None:
        """The value of a variable when the program was started. None if it was not set or can't be read."""
        try:
            entries = Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return None
        prefix = os.fsencode(name) + b"="
        return next((os.fsdecode(entry.removeprefix(prefix)) for entry in entries if entry.startswith(prefix)), None)

    def file(self, path: str) -> str | None:
        """The text of a file, whose path is as the process sees it. None if it can't be read."""
        base = f"/proc/{self.pid}/root" if path.startswith("/") else f"/proc/{self.pid}/cwd/"
        try:
            return Path(base + path).read_text(errors="replace")
        except OSError:
            return None


def _namespace_pids(status: str) -> list[int]:
    found = re.search(r"^NSpid:(.*)$", status, flags=re.MULTILINE)
    return [int(number) for number in found[1].split()] if found else []


def _report(mappings: list[tuple[int, str]]) -> Report | None:
    """The latest report. There may be several: a provider that did not load because of a setting leaves its report, and
    may be loaded again."""
    reports = [
        Report(int(found[1]), int(found[2]), found[3], _printable(found[4]), address)
        for address, path in mappings
        if (found := _REPORT.fullmatch(path))
    ]
    return max(reports, key=lambda report: report.at_ns, default=None)


def _printable(text: str) -> str:
    """The text without control characters, so that another process can't change our terminal with it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
