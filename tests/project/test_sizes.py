"""One concept a file: no file is longer than 350 lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.source import PACKAGES, ROOT, modules

MOST_LINES = 350


@pytest.mark.parametrize("module", modules(*PACKAGES, "tests", "benchmarks"), ids=str)
def test_no_file_is_too_long(module: Path) -> None:
    lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, f"{module} has {lines} lines: divide it by its concepts"
