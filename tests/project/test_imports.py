"""Imports run one way and in no circle, and threads, time, randomness and fds each have one file. Read from the source.

There is no list of exemptions: a module that would need one is in the wrong package.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping

import pytest

from tests.project.source import PACKAGES, ROOT, dependencies, imported, included, modules, names_used

pytestmark = pytest.mark.xdist_group("source")  # one process parses it all

LIBRARY = ("waitctx", "sim", "engine")
MAY_IMPORT = {
    "hotpath": set[str](),
    "waitctx": {"hotpath"},
    "sim": {"hotpath"},
    "engine": {"hotpath", "waitctx"},
    "simaccel": {"hotpath", "waitctx", "sim", "engine"},
}
"""Package -> the other packages of ours that it may import. Only `simaccel` knows both a device and a job."""


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_run_one_way(package: str) -> None:
    wrong = [
        f"{module} imports {needed}"
        for module, needs in dependencies(*PACKAGES, "tests", "benchmarks").items()
        if module.split(".")[0] == package
        for needed in needs
        if needed.split(".")[0] not in {package, *MAY_IMPORT[package]}
    ]
    assert not wrong


def test_no_module_imports_itself_by_a_detour() -> None:
    """Also not for its types alone: who needs another's type needs to be read together with it."""
    assert not circles(dependencies(*PACKAGES))


def test_no_unit_of_the_provider_includes_itself_by_a_detour() -> None:
    """A unit is a header and the C file of its name."""
    assert not circles(included(ROOT / "provider"))


def test_a_circle_is_found() -> None:
    """Of two, of three, and not one that is a chain."""
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}}) == [["a", "b"]]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}}) == [["a", "b", "c"]]
    assert not circles({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def circles(needs: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """The groups of modules that need each other, each sorted: whoever reaches itself, with all that it does so by."""
    reached: dict[str, set[str]] = {}
    for module in needs:
        seen: set[str] = set()
        waiting = list(needs[module])
        while waiting:
            other = waiting.pop()
            if other not in seen:
                seen.add(other)
                waiting.extend(needs.get(other, ()))
        reached[module] = seen
    groups = {
        tuple(sorted(other for other in reached[module] if module in reached.get(other, ())))
        for module in needs
        if module in reached[module]
    }
    return [list(group) for group in sorted(groups)]


def test_waitctx_needs_the_standard_library_alone() -> None:
    needed = {name.split(".")[0] for name in outside("waitctx")}
    assert needed <= sys.stdlib_module_names | {"hotpath", "waitctx"}


def outside(package: str) -> set[str]:
    """All that the modules of a package import."""
    return {name for module in modules(package) for name in imported(module)}


ONE_FILE = {
    "threads": ({"threading.Thread", "threading.Timer", "_thread.start_new_thread"}, {"sim/worker.py"}),
    "time": ({"time."}, {"sim/clock.py"}),
    "randomness": ({"random.", "secrets.", "os.urandom", "uuid."}, {"sim/randomness.py"}),
    "fds": (
        {"os.eventfd", "os.pipe", "os.pipe2", "os.open", "os.dup", "os.dup2", "os.read", "os.write", "os.close"}
        | {"socket.", "tempfile."},
        {"engine/offload/wake_fds.py"},
    ),
    "waiting for fds": ({"select.", "selectors."}, {"engine/drivers/poller.py"}),
}
"""What -> the names that make or read it (a trailing dot: all of a module), and the files of the library that use them.

`simaccel` is programs and tools: a device process, a command line, benchmarks. They are input and output throughout.
"""


@pytest.mark.parametrize("what", ONE_FILE)
def test_one_file_each(what: str) -> None:
    names, files = ONE_FILE[what]
    found = {
        str(module)
        for module in modules(*LIBRARY)
        for _, used in names_used(module)
        if used in names or f"{used.split('.')[0]}." in names
    }
    assert found == files


def test_nothing_sleeps() -> None:
    """Waiting is for an event, with a time limit where there must be one."""
    assert not [
        f"{module}:{line}"
        for module in modules(*LIBRARY)
        for line, used in names_used(module)
        if used in ("time.sleep", "asyncio.sleep")
    ]
