"""The parts of the pages that are made from tables in the code: `python -m tests.docs.tables` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from textwrap import fill

from sim.kernels.registry import BUILT_IN
from sim.timing import FORMS
from sim.trace import EVENTS
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
    rows = ((f"`{entry.name}`", entry.python) for entry in CATALOGUE.values() if entry.python)
    return _table(("scenario", "what is done, and what must hold"), rows)


def provider_rows() -> str:
    """A row for each rule of `simaccel certify provider`."""
    head = ("rule", "what the driver does, and what must hold", "where it comes from")
    return _table(head, ((f"`{rule.name}`", rule.holds, rule.comes_from) for rule in RULES))


def kernel_rows() -> str:
    """A row for each built-in kernel. Those of which the same is said share one."""
    rows = []
    for words, alike in groupby(BUILT_IN, lambda kernel: kernel.words):
        assert words is not None
        rows.append(
            (_code(", ".join(kernel.name for kernel in alike)), words.key, words.payload, words.aux, words.result)
        )
    return _table(("kernel", "key", "payload", "`aux`", "result"), rows)


def model_rows() -> str:
    """A row for each way to write a timing model."""
    return _table(
        ("model", "what it draws", "example"), ((f"`{form.text}`", form.what, f"`{form.example}`") for form in FORMS)
    )


def event_rows() -> str:
    """A row for each event of a trace."""
    return _table(("event", "what happened"), ((_code(event), what) for event, what in EVENTS.items()))


def _code(words: str) -> str:
    return ", ".join(f"`{word}`" for word in words.split(", "))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    made = [f"| {' | '.join(cells)} |\n" for cells in (head, *rows)]
    return made[0] + "|---" * len(head) + "|\n" + "".join(made[1:])


def _paragraphs(text: str, stands_for: str) -> list[str]:
    return [text, f"Stands for: {stands_for}."] if stands_for else [text]


def _filled(paragraph: str) -> str:
    return fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)


PAGES = {
    ROOT / "docs" / "certify.md": server_sections,
    ROOT / "docs" / "certify-python.md": python_rows,
    ROOT / "docs" / "certify-provider.md": provider_rows,
    ROOT / "docs" / "sessions.md": kernel_rows,
    ROOT / "docs" / "timing.md": model_rows,
    ROOT / "docs" / "faults.md": event_rows,
}
BEGIN, END = "<!-- made: begin -->\n", "<!-- made: end -->\n"


def page(path: Path) -> str:
    """The page with what is made in its place. ValueError if there is no place for it."""
    before, rest = path.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + PAGES[path]() + END + after


if __name__ == "__main__":
    for made in PAGES:
        made.write_text(page(made), encoding="utf-8")
