"""The pages hold together: links, decisions, the diagram that is generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from engine.jobs.states import JobState
from tests.docs import diagram, tables
from tests.docs.pages import PAGES, ROOT

DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path = target.partition("#")[0]
            assert (page.parent / path).exists(), f"{page.name} links to {target}"


def test_the_diagram_of_states_is_up_to_date() -> None:
    text = diagram.TARGET.read_text(encoding="utf-8")
    assert text == diagram.page(text), "run: python -m tests.docs.diagram"
    assert all(state.value in diagram.diagram() for state in JobState)


@pytest.mark.parametrize("path", tables.PAGES, ids=lambda path: path.name)
def test_what_is_made_from_the_code_is_up_to_date(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == tables.page(path), "run: python -m tests.docs.tables"


def test_decisions_are_numbered_listed_and_complete() -> None:
    index = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for number, page in enumerate(DECISIONS, 1):
        text = page.read_text(encoding="utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        assert page.name.startswith(f"{number:04}-")
        assert f"- [{title}]({page.name})\n" in index
        for part in ("Decision", "Rejected", "Costs"):
            assert f"\n## {part}\n" in text, f"{page.name} has no part {part}"
    assert index.count("\n- [") == len(DECISIONS) > 0


def test_the_tests_of_the_bridge_are_listed() -> None:
    folder = ROOT / "tests" / "bridge"
    page = (folder / "README.md").read_text(encoding="utf-8")
    listed = {name for names in re.findall(r"^\| (test_.+?) \|", page, re.MULTILINE) for name in names.split(", ")}
    listed = {name if name.startswith("test_") else f"test_{name}" for name in listed}
    assert listed == {path.stem for path in folder.glob("test_*.py")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_are_named_exist(page: Path) -> None:
    """What stands as code and begins with one of our folders is a file or folder of ours."""
    folders = "waitctx|sim|engine|simaccel|provider|tests|benchmarks|examples|docs"
    named = re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text(encoding="utf-8"))
    built = ("provider/build",)
    assert not [path for path in named if not path.startswith(built) and not (ROOT / path).exists()]
