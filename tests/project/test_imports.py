"""Imports run one way, and threads, time, randomness and fds each have one file. Read from the source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.project.source import PACKAGES, imported, modules, names_used

MAY_IMPORT = {"waitctx": {"waitctx"}, "sim": {"sim"}, "engine": {"engine", "waitctx"}}
MAY_IMPORT_SIM = ("engine/cli/", "engine/testing/", "engine/pytest_plugin.py")
"""Who puts the two together: programs and tools for tests. The engine runs whatever fits its Protocol."""


def ours(module: Path) -> set[str]:
    return {name.split(".")[0] for name in imported(module)} & {*PACKAGES, "tests", "benchmarks", "simaccel_pytest"}


@pytest.mark.parametrize("module", modules(*PACKAGES), ids=str)
def test_imports_run_one_way(module: Path) -> None:
    allowed = set(MAY_IMPORT[module.parts[0]])
    if str(module).startswith(MAY_IMPORT_SIM):
        allowed.add("sim")
    assert ours(module) <= allowed


def test_those_who_may_import_sim_do() -> None:
    """Or the list is longer than it has to be."""
    for place in MAY_IMPORT_SIM:
        assert any("sim" in ours(module) for module in modules("engine") if str(module).startswith(place)), place


def test_waitctx_needs_the_standard_library_alone() -> None:
    needed = {name.split(".")[0] for module in modules("waitctx") for name in imported(module)}
    assert needed <= sys.stdlib_module_names | {"waitctx"}


TOOLS = ("engine/cli/", "engine/testing/", "engine/bench/", "engine/pytest_plugin.py", "sim/bridge/")
"""Programs and tools that measure real time, start threads of their own or open files: not the library's behaviour.
The bridge is among them: a process that serves others is input and output from end to end."""

ONE_FILE = {
    "threads": ({"threading.Thread", "threading.Timer", "_thread.start_new_thread"}, {"sim/worker.py"}),
    "time": ({"time."}, {"sim/clock.py"}),
    "randomness": ({"random.", "secrets.", "os.urandom", "uuid."}, {"sim/randomness.py"}),
    "fds": (
        {"os.eventfd", "os.pipe", "os.pipe2", "os.open", "os.dup", "os.dup2", "os.read", "os.write", "os.close"}
        | {"socket.", "tempfile."},
        {"engine/fds.py"},
    ),
    "waiting for fds": ({"select.", "selectors."}, {"engine/poller.py"}),
}
"""What -> the names that make or read it (a trailing dot: all of a module), and the files that use them."""


@pytest.mark.parametrize("what", ONE_FILE)
def test_one_file_each(what: str) -> None:
    names, files = ONE_FILE[what]
    found = {
        str(module)
        for module in modules(*PACKAGES)
        if not str(module).startswith(TOOLS)
        for _, used in names_used(module)
        if used in names or f"{used.split('.')[0]}." in names
    }
    assert found == files


@pytest.mark.parametrize(
    "module", [module for module in modules(*PACKAGES) if not str(module).startswith(TOOLS)], ids=str
)
def test_nothing_sleeps(module: Path) -> None:
    """Waiting is for an event, with a time limit where there must be one."""
    assert not [line for line, used in names_used(module) if used in ("time.sleep", "asyncio.sleep")]
