"""The worked example of docs/certify-python.md passes, and with its mistake fails as the page says."""

from __future__ import annotations

import re
import shlex

import pytest

import simaccel.testing.fixture  # noqa: F401 - what the runs in this process import must be there already
from tests import few_plugins
from tests.docs.pages import ROOT, blocks
from tests.testing.test_examples import mended, outcome

pytest_plugins = ["pytester"]

PAGE = ROOT / "docs" / "certify-python.md"
SERVER, EACH_WAY = [block.text for block in blocks("python") if block.page == PAGE]
(TOLD,) = [block.text for block in blocks("text") if block.page == PAGE]


def with_few(text: str) -> str:
    """With 50 connections at once instead of 1,000."""
    return mended(text, "accel.certify(Server)", "accel.certify(Server, connects=50)")


WITHOUT_CANCEL = mended(SERVER, "        self.jobs[client][1].cancel()\n", "")


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in few_plugins.variables().items():
        monkeypatch.setenv(name, value)


def test_the_server_passes(pytester: pytest.Pytester) -> None:
    outcome(pytester, "test_server", with_few(SERVER)).assert_outcomes(passed=1)


@pytest.mark.in_ci
def test_it_passes_in_each_way(pytester: pytest.Pytester) -> None:
    """By callback it would never be woken, since it sets none: then the engine takes an fd."""
    text = SERVER.replace("def test_server(accel):\n    accel.certify(Server)\n", "") + EACH_WAY
    outcome(pytester, "test_server", with_few(text)).assert_outcomes(passed=2)


def test_its_mistake_is_shown_as_on_the_page(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "test_server", WITHOUT_CANCEL, leaks=True)
    result.assert_outcomes(failed=1)
    printed = result.stdout.str()
    for line in TOLD.splitlines():
        parts = [part for part in re.split(r"\d{6,}|python -m", line) if part.strip()]
        assert all(part in printed for part in parts), line
    assert "python_servers/judge.py" not in printed, "frames of ours"


@pytest.mark.in_ci
def test_the_command_that_is_shown_plays_that_scenario_alone(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "test_server", WITHOUT_CANCEL, leaks=True)
    commands = re.findall(r"again: \S+ -m pytest (.*--accel-scenario=freed-in-flight)", result.stdout.str())
    again = pytester.runpytest_subprocess(*shlex.split(commands[0]))
    again.assert_outcomes(failed=1)
    printed = again.stdout.str()
    assert "freed-in-flight failed" in printed
    assert "0 passed, 1 failed; seed" in printed
    assert re.search(r"replay: .*--accel-scenario=freed-in-flight", printed)
