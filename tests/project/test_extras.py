"""What an installation needs: `engine` alone gets by with greenlet and cryptography, everything else is in an extra."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable

import pytest

from simaccel.cli.exits import USAGE
from simaccel.extras import EXTRA_OF, it_needs
from tests.limits import WAIT_S
from tests.project.source import PACKAGES, ROOT, imported, modules
from tests.project.test_import_cost import brought_along

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
IMPORTED_AS = {"dask": "distributed"}
"""Where the name of a distribution is not that of what it installs, apart from dashes."""
LIBRARY = ("waitctx", "sim", "engine", "simaccel", "simaccel.bridge", "simaccel.testing", "simaccel.pytest_plugin")
"""What works without any extra, besides the one for pytest."""


def libraries(requirements: Iterable[str]) -> set[str]:
    """What these requirements install, by the names that are imported."""
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in requirements}  # type: ignore[index]
    return {IMPORTED_AS.get(name, name.replace("-", "_")) for name in names}


def test_the_library_needs_two_others() -> None:
    assert libraries(PROJECT["dependencies"]) == {"cryptography", "greenlet"}
    assert not brought_along(", ".join(LIBRARY)) & EXTRA_OF.keys()


def test_each_library_is_in_the_extra_that_messages_name() -> None:
    for library, extra in EXTRA_OF.items():
        assert library in libraries(EXTRAS[extra])


def test_what_a_command_needs_besides_the_command_line_brings_the_command_line() -> None:
    for extra in set(EXTRA_OF.values()) - {"cli"}:
        assert "simaccel[cli]" in EXTRAS[extra]
    (everything,) = EXTRAS["all"]
    assert set(EXTRA_OF.values()) <= set(re.findall(r"\w+", everything))


def test_no_library_is_imported_that_nothing_installs() -> None:
    known = sys.stdlib_module_names | set(PACKAGES)
    known |= libraries(PROJECT["dependencies"]) | {name for extra in EXTRAS.values() for name in libraries(extra)}
    used = {name.partition(".")[0] for module in modules(*PACKAGES) for name in imported(module)}
    assert used <= known


@pytest.mark.parametrize("library", ["typer", "rich", "numpy"])
def test_a_command_without_its_extra_says_so_in_one_line(library: str) -> None:
    program = f"import sys; sys.modules[{library!r}] = None; from simaccel.cli import main; sys.exit(main({{!r}}))"
    command = [sys.executable, "-c", program.format(["explain", "--help"])]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=WAIT_S, check=False)
    assert done.returncode == USAGE
    assert done.stderr == f"simaccel: this command can't run: {it_needs(library)}\n"
    assert done.stdout == ""
