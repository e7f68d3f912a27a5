"""Each scenario and rule on the pages about certify, made from the tables: `python -m tests.docs.certify_pages`."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill

from simaccel.certify.accelerators.rules import RULES
from simaccel.certify.catalogue import CATALOGUE
from tests.docs.pages import ROOT


def server_sections() -> str:
    """A section for each scenario of `simaccel certify server`."""
    return "\n".join(
        "\n\n".join([f"### `{entry.name}`", *map(_filled, _paragraphs(entry.server, entry.stands_for))]) + "\n"
        for entry in CATALOGUE.values()
    )


def python_rows() -> str:
    """A row for each scenario of `accel.certify`."""
    head = "| scenario | what is done, and what must hold |\n|---|---|\n"
    return head + "".join(f"| `{entry.name}` | {entry.python} |\n" for entry in CATALOGUE.values() if entry.python)


def provider_rows() -> str:
    """A row for each rule of `simaccel certify provider`."""
    head = "| rule | what the driver does, and what must hold | where it comes from |\n|---|---|---|\n"
    return head + "".join(f"| `{rule.name}` | {rule.holds} | {rule.comes_from} |\n" for rule in RULES)


def _paragraphs(text: str, stands_for: str) -> list[str]:
    return [text, f"Stands for: {stands_for}."] if stands_for else [text]


def _filled(paragraph: str) -> str:
    return fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


PAGES = {
    ROOT / "docs" / "certify.md": server_sections,
    ROOT / "docs" / "certify-python.md": python_rows,
    ROOT / "docs" / "certify-provider.md": provider_rows,
}
BEGIN, END = "<!-- certify: begin -->\n", "<!-- certify: end -->\n"


def page(path: Path) -> str:
    """The page with what is made in its place. ValueError if there is no place for it."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + PAGES[path]() + END + after


if __name__ == "__main__":
    for made in PAGES:
        made.write_text(page(made), encoding="utf-8")
