"""What is known about mutants, on disk: nothing is tried twice, and a run that was ended goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.mutation.mutants import Mutant


class Results:
    """A file of JSON lines, one for each try of a mutant. Who was killed once stays so, else the last try counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: dict[str, dict[str, Any]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                row = json.loads(line)
                self._keep(row)

    def _keep(self, row: dict[str, Any]) -> None:
        before = self._rows.get(row["id"])
        if before is None or not before["killed_by"]:
            self._rows[row["id"]] = row

    def settles(self, name: str, mutant: Mutant, slowest_s: float, again: bool) -> bool:
        """Whether it was killed before, or has survived the tests that would be tried now and is not tried `again`."""
        row = self._rows.get(_identity(name, mutant))
        if row is None:
            return False
        had_all = not row["slowest_s"] or 0 < slowest_s <= row["slowest_s"]
        return bool(row["killed_by"]) or (had_all and not again)

    def add(self, name: str, mutant: Mutant, tests: int, slowest_s: float, killed_by: list[str]) -> None:
        """Note which test has killed it and why, or that so many tests have not."""
        row = {
            "id": _identity(name, mutant),
            "file": name,
            "line": mutant.line,
            "what": mutant.what,
            "tests": tests,
            "slowest_s": slowest_s,
            "killed_by": killed_by,
        }
        self._keep(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def summary(self, names: list[str]) -> Iterator[str]:
        """A line for each of these files that was tried."""
        for name in names:
            rows = [row for row in self._rows.values() if row["file"] == name]
            if rows:
                survived = sum(not row["killed_by"] for row in rows)
                yield f"{name}: {survived} of {len(rows)} survived"


def _identity(name: str, mutant: Mutant) -> str:
    """Of the text without comments: it stays the same if only comments are changed."""
    return hashlib.sha256(f"{name}\n{mutant.what}\n{mutant.text}".encode()).hexdigest()[:16]
