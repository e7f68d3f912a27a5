"""Describes the machine on which the figures were measured."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PACKAGES = ("simaccel", "greenlet", "cryptography", "numpy", "uvloop", "gevent")
_WANTED = ("cpu_config", "cpu_freq", "aslr", "runnable_threads", "python_compiler", "uptime")


def describe() -> dict[str, Any]:
    """Its processor, system, load and Python, and the versions of the measured packages. For JSON."""
    found: dict[str, Any] = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "load": round(os.getloadavg()[0], 2),
        "when": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
    if find_spec("pyperf"):
        import pyperf

        metadata = pyperf.Run([1.0], collect_metadata=True).get_metadata()
        found["more"] = {name: str(metadata[name]) for name in _WANTED if name in metadata}
    return found


def one_line(machine: dict[str, Any]) -> str:
    """The description on one line, for a title."""
    return f"{machine['processor']}, {machine['cores']} cores, {machine['python']}, load {machine['load']} at the start"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if os.path.exists("/proc/cpuinfo") else ():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
