"""One concept a file: no file is longer than 350 lines."""

from __future__ import annotations

from tests.project.source import PACKAGES, ROOT, modules

MOST_LINES = 350


def test_no_file_is_too_long() -> None:
    lines = {module: (ROOT / module).read_bytes().count(b"\n") for module in modules(*PACKAGES, "tests", "benchmarks")}
    too_long = {str(module): count for module, count in lines.items() if count > MOST_LINES}
    assert not too_long, "divide them by their concepts"
