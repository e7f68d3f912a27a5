"""The folder of a sweep. It keeps what is to be done, what was done, and the results.

`sweep.json` says what the sweep is. `rows.jsonl` gets a line for each cell that is done, so a sweep that was ended in
the middle goes on where it was. A last line that was cut off is ignored. When all cells are done, the results are
written to results.csv or results.parquet in the order of the grid, not in the order in which the workers gave them.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim.errors import UsageError
from simaccel.load.sweep_grid import COLUMNS, Cell, Row

FORMATS = ("csv", "parquet")


class SweepFolder:
    """A context manager that holds the file of rows open. Raises UsageError for a folder with another sweep."""

    def __init__(self, path: str, cells: Sequence[Cell]) -> None:
        self.path = Path(path)
        self._cells = cells
        self._done: dict[int, Row] = {}
        described = json.dumps([cell.to_dict() for cell in cells])
        sweep = self.path / "sweep.json"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if sweep.exists():
                if sweep.read_text(encoding="utf-8") != described:
                    raise UsageError(f"--out {path}: another sweep is in it; use another folder, or remove it")
                self._read()
            else:
                if any(self.path.iterdir()):
                    raise UsageError(f"--out {path}: the folder is not empty, and has no sweep in it; use another one")
                sweep.write_text(described, encoding="utf-8")
            self._file = open(self.path / "rows.jsonl", "a", encoding="utf-8")  # noqa: SIM115  # closed by __exit__
        except OSError as error:
            raise UsageError(f"--out {path}: {error.strerror}; give a folder that can be written") from None

    def _read(self) -> None:
        rows = self.path / "rows.jsonl"
        text = rows.read_text(encoding="utf-8") if rows.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:  # the last line was cut off
            os.truncate(rows, len(whole.encode()))
        for line in whole.splitlines():
            row = json.loads(line)
            self._done[row["number"]] = row

    @property
    def left(self) -> list[Cell]:
        """The cells that are still to be done, in order."""
        return [cell for cell in self._cells if cell.number not in self._done]

    def add(self, rows: Sequence[Row]) -> int:
        """Keep these rows. Returns how many are new. A row that comes twice is kept once."""
        new = [row for row in rows if row["number"] not in self._done]
        for row in new:
            self._done[row["number"]] = row
        self._file.write("".join(json.dumps(row) + "\n" for row in new))
        self._file.flush()
        return len(new)

    @property
    def rows(self) -> list[Row]:
        """What is done, in the order of the grid."""
        return [self._done[cell.number] for cell in self._cells if cell.number in self._done]

    def write_results(self, kind: str) -> Path:
        """Write all rows, as csv or parquet. ImportError without pyarrow."""
        target = self.path / f"results.{kind}"
        if kind == "parquet":
            import pyarrow
            import pyarrow.parquet

            columns: dict[str, list[Any]] = {name: [row[name] for row in self.rows] for name in COLUMNS}
            pyarrow.parquet.write_table(pyarrow.table(columns), target)
            return target
        with target.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)
        return target

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
