"""Which process runs a test: all tests of a file with the mark `xdist_group` run in one.

xdist passes the mark on as an ending of the test's id, which pytest 9.2 takes no notice of. Each process would
then build again what the tests of such a file share. So this looks for the mark in the file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[1]


class FilesTogether(LoadGroupScheduling):  # type: ignore[misc]
    """As `--dist loadgroup`, with a whole file as the group."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if _is_group(file) else nodeid


@cache
def _is_group(file: str) -> bool:
    try:
        return "pytest.mark.xdist_group(" in (ROOT / file).read_text(encoding="utf-8")
    except OSError:
        return False
