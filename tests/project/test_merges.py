"""No file holds the marks of an unfinished merge. In a docstring or a page, nothing else would notice them."""

from __future__ import annotations

import re

from tests.project.source import ROOT

ENDINGS = {".py", ".pyx", ".pxd", ".c", ".h", ".md", ".sh", ".toml", ".yml"}
FOLDERS = (
    *("hotpath", "waitctx", "sim", "engine", "simaccel", "provider"),
    *("benchmarks", "docs", "examples", "packaging", "tests"),
)
MARK = re.compile(rb"^(<{7} |>{7} )", re.MULTILINE)


def test_no_file_has_the_marks_of_a_merge() -> None:
    files = [path for path in ROOT.iterdir() if path.suffix in ENDINGS]
    files += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in ENDINGS]
    assert len(files) > 500
    marked = [str(path.relative_to(ROOT)) for path in files if MARK.search(path.read_bytes())]
    assert not marked, "finish the merge of these"
