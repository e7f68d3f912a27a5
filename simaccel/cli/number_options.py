"""Parsers of numbers on the command line. Unlike typer's own, their messages show the value."""

from __future__ import annotations

import typer


def whole_number(value: str | int) -> int:
    """For typer, as the parser of an option."""
    try:
        return int(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is not a whole number") from None


def number(value: str | float) -> float:
    """For typer, as the parser of an option."""
    try:
        return float(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no number") from None
