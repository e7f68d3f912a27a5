"""Every example in README and docs runs, and prints what the page says it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks

PYTHON, CONSOLE = blocks("python"), blocks("console")
_NUMBER = re.compile(r"\d[\d,.]*(?:ns|us|ms|s|B|kB|MB|GB)?\b")


def test_there_is_one_for_each_kind_of_users() -> None:
    headings = re.findall(r"^## (You .*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(headings) == 4
    assert len([block for block in PYTHON if block.page.name == "README.md"]) == 4


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python(block: Block, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # for the files that they write
    # Empty lines in front, so that a traceback gives the line of the page.
    code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec", dont_inherit=True)
    exec(code, {"__name__": "__main__"})


@pytest.mark.parametrize("block", CONSOLE, ids=str)
def test_console(block: Block) -> None:
    for entry in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, shown = entry.split("\n", 1)
        command, *arguments = shlex.split(line)
        assert command == "simaccel"
        done = subprocess.run(
            [sys.executable, "-m", "simaccel", *arguments],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert _shape(done.stdout) == _shape(shown)


def _shape(text: str) -> list[str]:
    """The words of each line, with every number and its unit the same."""
    return [" ".join(_NUMBER.sub("#", line).split()) for line in text.strip().splitlines()]


def test_the_lost_wake_up_of_the_readme_is_what_the_example_prints() -> None:
    """The README leaves lines out; those that it shows are printed, in this order."""
    (block,) = (block for block in blocks("text") if block.text.startswith("$ python examples/lost_wakeup.py\n"))
    done = subprocess.run(
        [sys.executable, "examples/lost_wakeup.py"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    printed = iter(done.stdout.splitlines())
    for line in block.text.splitlines()[1:]:
        assert line in printed, line


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    pages: list[Path] = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "docs" / "testing.md"]
    named = {name for page in pages for name in re.findall(r"\bmake ([a-z]+)\b(?= |`|\n)", page.read_text())}
    assert {"run", "test", "check"} <= named
    # In running text "make" is also a verb; what is set as code is a target.
    coded = {name for page in pages for name in re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert coded <= targets
