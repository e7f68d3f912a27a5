"""The diagram of a job's states in docs/design.md, made from the table: `python -m tests.docs.diagram`."""

from __future__ import annotations

from engine.jobs.states import TRANSITIONS, JobState
from tests.docs.pages import ROOT

TARGET = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- states: begin -->\n", "<!-- states: end -->\n"


def diagram() -> str:
    """As Mermaid draws it."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {JobState.NEW.value}"]
    lines += [f"    {state.value} --> {after.value}: {event}" for (state, event), after in TRANSITIONS.items()]
    ends = [state for state in JobState if not any(before is state for before, _ in TRANSITIONS)]
    lines += [f"    {state.value} --> [*]" for state in ends]
    return "\n".join([*lines, "```"]) + "\n"


def page(text: str) -> str:
    """The page with the diagram in its place. ValueError if there is no place for it."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + diagram() + END + after


if __name__ == "__main__":
    TARGET.write_text(page(TARGET.read_text(encoding="utf-8")), encoding="utf-8")
