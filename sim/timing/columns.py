"""A column of times in a CSV file, as people have them: with a header, a unit, and other columns beside it.

The first line that is not blank and is no comment (#) names the columns. Fields are separated by commas, semicolons or
tabs. The unit is given, or stands in the column's name: `service_us`, `service (us)`, `service [us]`. Every row must
have a number there. An empty field, a word or a negative number is an error that names the line. It is not skipped,
because a measurement with missing rows says something else than its author believes.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches

from sim.errors import UsageError
from sim.timing.quantities import MAX_NS
from sim.timing.text_file import read_text

UNITS_NS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_NUMBER = re.compile(r"(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,2})?")
_IN_NAME = re.compile(r"(?:_|\(|\[|\s)(ns|us|µs|ms|s)[)\]]?$")


@dataclass(frozen=True, slots=True)
class Column:
    """The times of a column in ns, in the order of the file, and where they came from."""

    times_ns: tuple[int, ...]
    lines: tuple[int, ...]
    """The line of each, for messages."""
    name: str
    unit: str


def read_column(path: str | os.PathLike[str], column: str | None = None, unit: str | None = None) -> Column:
    """Reads one column. `column` may be left out if there is only one, `unit` if the column's name has it.

    Times are rounded to whole ns. May block. Raises UsageError, with a message of one line, for a file that can't be
    read, a column or unit that is not known, and a row that holds no time.
    """
    name = os.fspath(path)
    if unit is not None and unit not in UNITS_NS:
        raise UsageError(f"csv {name!r}: unit {unit!r}: use one of ns, us, ms, s")
    rows = _rows(name)
    try:
        _, header = next(rows)
    except StopIteration:
        raise UsageError(f"csv {name!r}: it is empty; give a file with a header and rows") from None
    header = [title.strip() for title in header]
    if any(_NUMBER.fullmatch(title) for title in header):
        raise UsageError(
            f"csv {name!r}: its first line is {','.join(header)!r}; give it a header that names the columns"
        )
    index = _index(name, header, column)
    unit = unit or _unit(name, header[index])
    times_ns: list[int] = []
    lines: list[int] = []
    for line, row in rows:
        times_ns.append(_time_ns(f"csv {name!r} line {line}, column {header[index]!r}", row, index, UNITS_NS[unit]))
        lines.append(line)
    if not times_ns:
        raise UsageError(f"csv {name!r}: only a header; give at least one row")
    return Column(tuple(times_ns), tuple(lines), header[index], unit)


def _rows(name: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank and no comment, with its line number."""
    lines = read_text(name, "csv", "a CSV file with a header", "utf-8-sig").splitlines()
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    reader = csv.reader(lines, delimiter=max(",;\t", key=first.count))
    try:
        for row in reader:
            if any(field.strip() for field in row) and not row[0].startswith("#"):
                yield reader.line_num, row
            elif len(row) > 1 and not row[0].startswith("#"):
                yield reader.line_num, row  # only separators: a hole, and not a blank line
    except csv.Error as error:
        raise UsageError(f"csv {name!r} line {reader.line_num}: {error}") from None


def _index(name: str, header: list[str], column: str | None) -> int:
    if column is None:
        if len(header) == 1:
            return 0
        raise UsageError(f"csv {name!r}: it has {len(header)} columns, {', '.join(header)}: say which, as column=NAME")
    if header.count(column) > 1:
        raise UsageError(f"csv {name!r}: {header.count(column)} columns are named {column!r}; rename them")
    if column not in header:
        close = get_close_matches(column, header, n=1)
        guess = f"did you mean {close[0]}? " if close else ""
        raise UsageError(f"csv {name!r}: no column {column!r}: {guess}the columns are {', '.join(header)}")
    return header.index(column)


def _unit(name: str, title: str) -> str:
    match = _IN_NAME.search(title)
    if match is None:
        raise UsageError(f"csv {name!r}: column {title!r} does not say its unit: add unit=us, or ns, ms or s")
    return match[1]


def _time_ns(where: str, row: list[str], index: int, unit_ns: int) -> int:
    text = row[index].strip() if index < len(row) else ""
    if not text:
        raise UsageError(f"{where}: nothing there; fill the hole, or take the row out")
    if text.startswith("-"):
        raise UsageError(f"{where}: {text!r} is negative; times are 0 or more")
    if not _NUMBER.fullmatch(text.removeprefix("+")):
        raise UsageError(f"{where}: {text!r} is no number; write it as 12.5, with a dot and without a unit")
    time_ns = int((Decimal(text) * unit_ns).to_integral_value())
    if time_ns > MAX_NS:
        raise UsageError(f"{where}: {text!r} is more than 292 years; check the unit")
    return time_ns
