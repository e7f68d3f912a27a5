"""What an import brings along. Counted in modules, because time depends on the machine."""

from __future__ import annotations

import subprocess
import sys

from tests.project.source import ROOT

REPORT = "import sys; before = set(sys.modules); import {0}; print(*sorted(set(sys.modules) - before))"


def brought_along(module: str, *options: str) -> set[str]:
    """The modules that importing `module` adds to those of an interpreter with these options."""
    words = [sys.executable, *options, "-c", REPORT.format(module)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())


def test_simaccel_brings_nothing_of_ours_and_little_else() -> None:
    """Its names are imported when they are first used: `import simaccel` must cost next to nothing."""
    allowed = {"__future__", "importlib", "importlib._bootstrap", "importlib._bootstrap_external", "warnings"}
    assert brought_along("simaccel", "-S") <= allowed | {"simaccel", "simaccel.version"}


def test_the_command_handles_ctrl_c_before_it_imports_anything_that_takes_time() -> None:
    """All before `exit_on_interrupt` runs is a time in which Ctrl-C is a traceback."""
    ours = {name for name in brought_along("simaccel.cli.start", "-S") if name.partition(".")[0] == "simaccel"}
    assert ours == {
        "simaccel",
        "simaccel.version",
        "simaccel.cli",
        "simaccel.cli.early_interrupt",
        "simaccel.cli.start",
    }
    assert not brought_along("simaccel.cli.start", "-S") & {
        "typing",
        "pathlib",
        "inspect",
        "typer",
        "numpy",
        "engine",
        "sim",
    }


def test_the_device_does_not_bring_numpy() -> None:
    """It takes as long to import as all of the device, and every `simaccel serve` and `simaccel stat` would wait."""
    assert "numpy" not in brought_along("simaccel.bridge")
