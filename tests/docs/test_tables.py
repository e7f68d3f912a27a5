"""What the code knows by name stands on the page that a reader would look at."""

from __future__ import annotations

import re

import pytest

from engine.modes import CONTRACTS, NOTIFY
from sim.faults import KINDS
from sim.faults.text import _OWN as KEYS
from sim.timing import preset_names
from simaccel.cli.app import COMMANDS
from simaccel.fleet.policies import POLICIES
from simaccel.load import HANDSHAKES
from simaccel.load.arrivals import AT_RATE, RECORDED
from tests.docs.pages import ROOT


def _page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
def test_every_fault_has_a_row_and_its_keys_are_told(kind: str) -> None:
    row = re.search(rf"^\| `{kind}` \| .+ \| (.*) ?\|$", _page("faults.md"), re.MULTILINE)
    assert row is not None
    keys = {key for key, _, _ in KEYS[kind].values()}
    assert set(re.findall(r"`(\w+)=", row[1])) == keys
    assert set(re.findall(r"\b(\w+)=", KINDS[kind].about)) == keys


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("timing.md", preset_names()),
        ("design.md", NOTIFY),
        ("sizing.md", POLICIES),
        ("command-line.md", COMMANDS),
    ],
)
def test_every_one_has_a_row(page: str, names: tuple[str, ...]) -> None:
    assert not [name for name in names if f"\n| `{name}` |" not in _page(page)]


def test_every_contract_has_a_column() -> None:
    head = next(line for line in _page("contracts.md").splitlines() if line.startswith("|"))
    assert re.findall(r"`(\w+)`", head) == list(CONTRACTS)


def test_every_kind_of_arrivals_and_every_handshake_is_on_the_page() -> None:
    page = _page("sizing.md")
    for kind in (*re.split(r", (?=[a-z])", AT_RATE.removesuffix(" (on, off)")), RECORDED):
        assert f"\n| `--arrivals {kind}` |" in page
    assert not [name for name in HANDSHAKES if f"`{name}`" not in page]
