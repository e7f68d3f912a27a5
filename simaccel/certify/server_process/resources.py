"""The fds, threads, memory and CPU time of the server's processes, seen from outside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

_TICKS_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class NotOurs(Exception):
    """A process belongs to another user, and we are not root."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The server's processes together, at one moment."""

    pids: frozenset[int]
    fds: int
    threads: int
    rss_bytes: int
    cpu_ns: int
    """User and system time of all threads, in steps of a clock tick."""


def look(pids: Sequence[int]) -> Seen:
    """Look at these processes. Leaves out any that end meanwhile. Raises NotOurs."""
    alive: set[int] = set()
    fds = threads = rss_bytes = cpu_ns = 0
    for pid in pids:
        try:
            open_fds = len(os.listdir(f"/proc/{pid}/fd"))
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                fields = file.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        except PermissionError:
            raise NotOurs(
                f"process {pid} of the server belongs to another user: run certify as root, or have the server keep "
                "its user"
            ) from None
        alive.add(pid)
        fds += open_fds
        # Fields 14, 15, 20 and 24 of proc(5); the first one here is field 3.
        cpu_ns += (int(fields[11]) + int(fields[12])) * _TICKS_NS
        threads += int(fields[17])
        rss_bytes += int(fields[21]) * _PAGE_BYTES
    return Seen(frozenset(alive), fds, threads, rss_bytes, cpu_ns)
