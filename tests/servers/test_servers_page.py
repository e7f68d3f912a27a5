"""The page says what was run: its table and configurations are those of the entries and the results."""

from __future__ import annotations

from tests.servers import page
from tests.servers.callers import CALLERS
from tests.servers.checks import COUNT, KILLS, KINDS
from tests.servers.entries import SERVERS
from tests.servers.results import read
from tests.servers.strangers import STRANGERS


def test_the_page_is_up_to_date() -> None:
    text = page.TARGET.read_text(encoding="utf-8")
    assert text == page.page(text), "run: python -m tests.servers.page"


def test_each_server_of_the_page_was_run_through_all_checks() -> None:
    results = read()
    assert sorted(results) == sorted([*SERVERS, *STRANGERS, *CALLERS])
    for name, seen in ((name, results[name]) for name in SERVERS):
        assert seen["counted"] == 4 * COUNT * len(KINDS), name
        assert seen["kills"] == KILLS * len(KINDS), name
        assert seen["dropped"] == 0 or SERVERS[name].drops, name
    for name in STRANGERS:
        assert results[name]["connections"] > results[name]["operations"] == 0, name
    for name in CALLERS:
        assert all(results[name].values()), name
        assert results[name]["kills"] == KILLS, name
