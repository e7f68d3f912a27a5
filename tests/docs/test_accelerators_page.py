"""docs/accelerators.md lists every case of the contract suite, with its docstring."""

from __future__ import annotations

from simaccel.testing.contract_suite import CASES
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "accelerators.md"


def test_the_page_lists_every_case_with_its_docstring() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    listed = [line for line in lines if line.startswith("| `")]
    assert listed == [f"| `{name}` | {' '.join((case.__doc__ or '').split())} |" for name, case in CASES.items()]
