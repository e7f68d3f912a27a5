"""A schedule as a small diagram in text: a column for each actor, and a line for each step, from top to bottom."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from simaccel.testing.exploration.actor import CHOICE, Mark

WIDTH = 44
"""The largest width of a column."""
_LINE = re.compile(r"\w+:\d+ ")
"""Matches a step that is a line of stepped code. Of several such steps in a row only the last is shown."""
LONG = 6
"""If an actor takes more steps than this in a row, only the first and the last few are shown."""


def diagram(steps: Sequence[Mark], failure: str | None = None) -> str:
    """The steps, and below them why the run failed, in the column of the actor that took the last step."""
    names = list(dict.fromkeys(actor for actor, _ in steps if actor != CHOICE))
    if not names:
        return f"(no step was taken)\n{failure or ''}".rstrip()
    placed = list(rows(steps, names))
    widths = [
        min(WIDTH, max(len(name), *(len(text) for column, text in placed if column == at), 0))
        for at, name in enumerate(names)
    ]
    lines = [
        "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip(),
        "  ".join("-" * width for width in widths),
    ]
    for column, text in placed:
        if len(text) > WIDTH:
            text = text[: WIDTH - 1] + "…"
        lines.append(" " * sum(width + 2 for width in widths[:column]) + text)
    if failure:
        lines.append(f"FAILS: {failure}")
    return "\n".join(lines)


def rows(steps: Sequence[Mark], names: list[str]) -> Iterator[tuple[int, str]]:
    """(column, text) for each line. A choice is in the column of the actor that made it."""
    placed: list[tuple[int, str]] = []
    column = 0
    for actor, label in steps:
        if actor == CHOICE:
            placed.append((column, f"({label})"))
        else:
            column = names.index(actor)
            placed.append((column, label))
    for (column, small), group in groupby(placed, key=lambda row: (row[0], _LINE.match(row[1]) is not None)):
        texts = [text for _, text in group]
        if small and len(texts) > 1:
            texts = [f"… {len(texts)} lines, to", texts[-1]]
        elif len(texts) > LONG:
            texts = [*texts[:2], f"… {len(texts) - 4} more", *texts[-2:]]
        for text in texts:
            yield column, text
