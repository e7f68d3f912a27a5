"""Tables as text that never lose a character, however narrow the terminal is.

If a table is wider than the terminal, its long texts are wrapped. If that is not enough, its columns are divided among
several tables, one below the other, each of which begins with the first column. In a pipe or a file, a table is as wide
as it needs to be.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

GAP = "  "
NARROWEST_TEXT = 18
"""The smallest width to which long texts are wrapped."""


@dataclass(frozen=True, slots=True)
class TextColumn:
    """One column: its heading, which may have several lines, and what it contains."""

    heading: str
    """Neighbouring columns whose headings have two lines, and the same first line, stay together if there is room."""
    text: bool = False
    """Whether it contains words, which are aligned left and may be wrapped. Numbers are aligned right, on one line."""
    styles: tuple[tuple[str, str], ...] = ()
    """The styles of cells with exactly these contents, such as (("worse", "red"),)."""


def print_table(
    console: Console, columns: Sequence[TextColumn], rows: Sequence[Sequence[str]], title: str = ""
) -> None:
    """Print the table, in as many parts as the width of the console requires. Without a terminal there is no limit."""
    width = console.width if console.is_terminal else None
    if title:
        print_line(console, title, "bold")
    for chosen, widths in _parts(columns, rows, width):
        headings = [columns[index].heading for index in chosen]
        most = max(heading.count("\n") for heading in headings)
        # Short headings are aligned at the bottom.
        headings = ["\n" * (most - heading.count("\n")) + heading for heading in headings]
        if any(headings):
            _print_row(console, [columns[index] for index in chosen], headings, widths, "dim")
        for row in rows:
            _print_row(console, [columns[index] for index in chosen], [row[index] for index in chosen], widths)


def print_line(console: Console, line: str = "", style: str = "") -> None:
    """Print a line as it is. A terminal wraps it; nothing is cut off, highlighted or treated as markup."""
    console.print(Text(line, style), soft_wrap=True)


def _parts(
    columns: Sequence[TextColumn], rows: Sequence[Sequence[str]], width: int | None
) -> list[tuple[list[int], list[int]]]:
    """For each part of the table, its columns and their widths."""
    every = list(range(len(columns)))
    natural = [_width([columns[index].heading, *(row[index] for row in rows)]) for index in every]
    if width is None or _total(natural) <= width:
        return [(every, natural)]
    floors = [min(natural[index], NARROWEST_TEXT) if columns[index].text else natural[index] for index in every]
    if _total(floors) <= width:
        return [(every, _widened(floors, natural, width))]
    parts = [[0]]
    for group in _groups(columns):
        if len(parts[-1]) > 1 and _total([floors[at] for at in (*parts[-1], *group)]) > width:
            parts.append([0])
        for index in group:
            if len(parts[-1]) > 1 and _total([floors[at] for at in (*parts[-1], index)]) > width:
                parts.append([0])
            parts[-1].append(index)
    return [
        (chosen, _widened([floors[at] for at in chosen], [natural[at] for at in chosen], width)) for chosen in parts
    ]


def _groups(columns: Sequence[TextColumn]) -> list[list[int]]:
    """The columns after the first, in groups that stay together."""
    groups: list[list[int]] = []
    before = ""
    for index, column in enumerate(columns[1:], 1):
        first, two_lines, _ = column.heading.partition("\n")
        if groups and two_lines and first and first == before:
            groups[-1].append(index)
        else:
            groups.append([index])
        before = first
    return groups


def _widened(floors: list[int], natural: list[int], width: int) -> list[int]:
    """The widths, grown from `floors` up to `natural` as far as there is room. The first columns grow first."""
    widths = list(floors)
    for index, wanted in enumerate(natural):
        room = width - _total(widths)
        widths[index] += max(0, min(room, wanted - widths[index]))
    return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _width(cells: Sequence[str]) -> int:
    return max(len(line) for cell in cells for line in cell.split("\n"))


def _print_row(
    console: Console, columns: Sequence[TextColumn], cells: Sequence[str], widths: Sequence[int], style: str = ""
) -> None:
    folded = [
        [part for line in cell.split("\n") for part in (textwrap.wrap(line, width) if column.text else [line]) or [""]]
        for column, cell, width in zip(columns, cells, widths, strict=True)
    ]
    for number in range(max(map(len, folded))):
        line = Text(style=style)
        for column, cell, lines, width in zip(columns, cells, folded, widths, strict=True):
            text = lines[number] if number < len(lines) else ""
            if line:
                line.append(GAP)
            line.append(text.ljust(width) if column.text else text.rjust(width), dict(column.styles).get(cell, ""))
        line.rstrip()
        console.print(line, soft_wrap=True)
