"""A schedule as an SVG: a column for each actor, steps from top to bottom, and an arrow wherever another actor goes on.

It is the diagram of `diagram.py` as a picture. It needs no font and no script from elsewhere, and is light or dark as
its reader prefers.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from simaccel.testing.exploration.actor import CHOICE, Mark
from simaccel.testing.exploration.diagram import rows

COLUMN, GAP, LINE, TOP, MARGIN = 300, 24, 26, 62, 16
CHARACTERS = 40
"""The longest label. An SVG does not cut text that is too long for its place."""
STYLE = """
text { font: 12px ui-monospace, monospace; fill: #1c2430; }
.name { font-weight: bold; font-size: 13px; }
.lane { stroke: #c5ccd6; stroke-dasharray: 2 3; }
.step { fill: #e3ecfa; stroke: #5b82c0; }
.fold { fill: none; stroke: #c5ccd6; stroke-dasharray: 3 3; }
.turn { fill: none; stroke: #c26a00; stroke-width: 1.5; }
.head { fill: #c26a00; }
.fails { fill: #fbe3e1; stroke: #c0392b; }
.back { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e4e9f0; } .back { fill: #14181f; } .lane, .fold { stroke: #465061; }
  .step { fill: #1f2f4a; stroke: #6f9be0; } .turn { stroke: #f0a24b; } .head { fill: #f0a24b; }
  .fails { fill: #4a1f1c; stroke: #ef7d70; }
}
"""


def picture(model: str, steps: Sequence[Mark], failure: str) -> str:
    """The SVG. If an actor takes many steps in a row, they are folded, as in the text."""
    names = list(dict.fromkeys(actor for actor, _ in steps if actor != CHOICE))
    placed = list(rows(steps, names)) if names else []
    width = 2 * MARGIN + max(1, len(names)) * (COLUMN + GAP) - GAP
    height = TOP + LINE * (len(placed) + 2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>{_text(f'A schedule under which {model} fails')}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{width}" height="{height}"/>',
        f'<text x="{MARGIN}" y="20">{_text(model, (width - 2 * MARGIN) // 8)}</text>',
    ]
    for column, actor in enumerate(names):
        x = _left(column)
        parts.append(f'<text class="name" x="{x}" y="44">{_text(actor)}</text>')
        parts.append(_line("lane", x + 8, TOP - 8, x + 8, height - LINE))
    before = None
    for row, (column, label) in enumerate(placed):
        x, y = _left(column), TOP + row * LINE
        if before is not None and before != column:
            parts.append(_turn(before, column, y))
        kind = "fold" if label.startswith("…") else "step"
        parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{COLUMN}" height="{LINE - 6}" rx="3"/>')
        parts.append(f'<text x="{x + 8}" y="{y + 14}">{_text(label)}</text>')
        before = column
    y = TOP + len(placed) * LINE + 4
    parts.append(f'<rect class="fails" x="{MARGIN}" y="{y}" width="{width - 2 * MARGIN}" height="{LINE}" rx="3"/>')
    parts.append(f'<text x="{MARGIN + 8}" y="{y + 17}">FAILS: {_text(failure, (width - 100) // 8)}</text></svg>')
    return "\n".join(parts) + "\n"


def _turn(before: int, column: int, y: int) -> str:
    """The arrow from the last step of one actor to the first of another."""
    right = column > before
    from_x, to_x = _left(before) + COLUMN * right, _left(column) + COLUMN * (not right)
    from_y, to_y, half = y - 16, y + 10, (from_x + to_x) // 2
    tip = -7 if right else 7
    head = f"{to_x},{to_y} {to_x + tip},{to_y - 4} {to_x + tip},{to_y + 4}"
    path = f"M{from_x} {from_y} C{half} {from_y} {half} {to_y} {to_x} {to_y}"
    return f'<path class="turn" d="{path}"/><polygon class="head" points="{head}"/>'


def _left(column: int) -> int:
    return MARGIN + column * (COLUMN + GAP)


def _line(kind: str, x1: int, y1: int, x2: int, y2: int) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>'


def _text(text: str, most: int = CHARACTERS) -> str:
    """Text for an SVG, cut to this length, without characters that XML can't hold."""
    shown = "".join(character if character.isprintable() else "�" for character in text)
    return escape(shown if len(shown) <= most else shown[: most - 1] + "…")
