"""Chooses, at import, whether the hot path runs compiled or as plain Python.

The modules in `MODULES` are Python, and are read, debugged and traced as such. Cython compiles the same files to
one extension (`python -m hotpath.build`), with types from the `.pxd` beside each file. If that extension exists,
importing `sim.ring` gives the compiled module. Otherwise it gives `sim/ring.py`. Nothing else differs.

The name of the extension holds a hash of all the sources that it was made from. So it is found only while the sources
are unchanged. After a change of one line, even in a comment, the Python modules run until the extension is built again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from types import ModuleType

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILT = os.path.join(ROOT, "hotpath", "built")
"""The folder of the extensions. There is one for each version of Python."""
VARIABLE = "SIMACCEL_PURE"
"""The environment variable that chooses the Python modules if its value is anything but "" and "0"."""

MODULES = (
    "hotpath.spinning",
    "hotpath.submittable",
    "hotpath.local",
    "hotpath.stepping",
    "waitctx.context",
    "engine.jobs.thread",
    "engine.jobs.pool",
    "engine.jobs.switching",
    "engine.jobs.job",
    "engine.jobs.pause",
    "engine.jobs.stackful",
    "engine.jobs.stackless",
    "engine.jobs.start",
    "engine.offload.operation",
    "engine.offload.tokens",
    "engine.offload.wake_fds",
    "engine.offload.wakers",
    "engine.offload.context_wakers",
    "engine.offload.slot_queue",
    "engine.offload.statistics",
    "engine.offload.perform",
    "engine.offload.traced",
    "engine.engine",
    "engine.aio",
    "engine.drivers.ready_seats",
    "engine.drivers.seats",
    "engine.drivers.scheduler",
    "sim.request",
    "sim.ring",
    "sim.gate",
    "sim.interrupt",
    "sim.completion",
    "sim.submission",
    "sim.clock",
    "sim.worker",
    "sim.schedule",
    "sim.timers",
    "sim.units",
    "sim.device",
    "sim.assistant",
    "sim.faults.effects",
    "sim.faults.injector",
    "simaccel.tracing.rows",
    "simaccel.bridge.device.memory",
    "simaccel.bridge.device.endpoint",
    "simaccel.bridge.device.client_request",
    "simaccel.bridge.device.decode",
    "simaccel.bridge.device.inline",
    "simaccel.tracing.device_tracks",
    "simaccel.tracing.caller_tracks",
    "simaccel.tracing.perfetto",
)
"""What is compiled. All are parts of one extension, which finds a module by the last part of its name."""


def source_files() -> list[str]:
    """The files that the extension is made from, relative to `ROOT`."""
    files = ["hotpath/build.py"]
    for module in MODULES:
        stem = module.replace(".", "/")
        files += [
            stem + ending for ending in (".py", ".pyx", ".pxd") if os.path.exists(os.path.join(ROOT, stem + ending))
        ]
    return files


def hash_of(files: Iterable[str]) -> str:
    """The hash of the names and contents of these files."""
    from hashlib import blake2b  # takes a millisecond, so not imported where nothing was compiled

    digest = blake2b(digest_size=8)
    for file in files:
        with open(os.path.join(ROOT, file), "rb") as source:
            digest.update(file.encode() + b"\0" + source.read() + b"\0")
    return digest.hexdigest()


def extension() -> str:
    """The path of the extension that belongs to the sources as they are now, and to this Python. It may not exist."""
    return os.path.join(BUILT, f"core-{hash_of(source_files())}{EXTENSION_SUFFIXES[0]}")


class _Finder:
    """Finds the compiled modules, all in one file."""

    def __init__(self, path: str) -> None:
        self._path = path

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in MODULES:
            return None
        return ModuleSpec(fullname, ExtensionFileLoader(fullname, self._path), origin=self._path)


def _choose() -> str:
    """Make the compiled modules findable, if they exist and are wanted. Returns what runs, for `simaccel info`."""
    if os.environ.get(VARIABLE, "0") not in ("", "0"):
        return f"Python, as {VARIABLE} says"
    try:
        built = [name for name in os.listdir(BUILT) if name.endswith(EXTENSION_SUFFIXES[0])]
    except OSError:
        built = []
    if not built:
        return "Python: nothing was compiled for this Python; `make` does so if there is a C compiler"
    path = extension()
    if os.path.basename(path) not in built:
        return "Python: the sources have changed since they were compiled; `make` compiles them"
    sys.meta_path.insert(0, _Finder(path))
    return "compiled"


RUNNING: str = _choose()
"""What runs: "compiled", or "Python" and why."""
COMPILED: bool = RUNNING == "compiled"
