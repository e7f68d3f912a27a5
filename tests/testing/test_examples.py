"""The worked examples of docs/testing-your-code.md find their bugs, and pass when these are mended."""

from __future__ import annotations

import re

import pytest

import simaccel.testing.fixture  # noqa: F401 - what the runs in this process import must be there already
from tests import few_plugins
from tests.docs.pages import ROOT, blocks

pytest_plugins = ["pytester"]

PAGE = ROOT / "docs" / "testing-your-code.md"
ENGINE, SERVER, PROGRAM = [block.text for block in blocks("python") if block.page == PAGE]
_, ENGINE_TOLD, SERVER_TOLD, PROGRAM_TOLD = [block.text for block in blocks("text") if block.page == PAGE]
_NUMBER = re.compile(r"\d+")


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in few_plugins.variables().items():
        monkeypatch.setenv(name, value)


def outcome(pytester: pytest.Pytester, name: str, text: str, leaks: bool = False) -> pytest.RunResult:
    """Run a page's example. One that leaks gets a process of its own."""
    pytester.makepyfile(**{name: text})
    return pytester.runpytest_subprocess() if leaks else pytester.runpytest_inprocess()


def told(result: pytest.RunResult, lines: str) -> None:
    """Every line that the page shows is in what pytest printed; numbers, and what pytest puts in front, may differ."""
    printed = _NUMBER.sub("#", result.stdout.str())
    for line in lines.splitlines():
        assert _NUMBER.sub("#", line) in printed, line


def mended(text: str, wrong: str, right: str) -> str:
    assert wrong in text
    return text.replace(wrong, right)


def test_the_engine_loses_a_wake_up(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "test_engine", ENGINE)
    result.assert_outcomes(failed=1)
    told(result, ENGINE_TOLD)


def test_the_engine_mended(pytester: pytest.Pytester) -> None:
    wrong = "            self.drain(fd)\n            await pause_job()\n"
    right = "            await pause_job()\n            self.drain(fd)\n"
    outcome(pytester, "test_engine", mended(ENGINE, wrong, right)).assert_outcomes(passed=1)


def test_the_server_spins_and_frees_what_is_in_use(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "test_server", SERVER, leaks=True)
    result.assert_outcomes(failed=1, passed=1, errors=1)
    told(result, SERVER_TOLD)


def test_the_server_mended(pytester: pytest.Pytester) -> None:
    text = mended(
        SERVER,
        "while connection.job.paused and connection.ctx.status",
        "if connection.job.paused and connection.ctx.status",
    )
    text = mended(
        text,
        "self.connections.remove(connection)\n",
        "self.connections.remove(connection)\n        connection.job.cancel()\n",
    )
    outcome(pytester, "test_server", text).assert_outcomes(passed=2)


def test_the_program_leaks_an_fd(pytester: pytest.Pytester) -> None:
    result = outcome(pytester, "test_program", PROGRAM, leaks=True)
    result.assert_outcomes(passed=1, errors=1)
    told(result, PROGRAM_TOLD)


def test_the_program_without_its_fault_passes(pytester: pytest.Pytester) -> None:
    text = mended(PROGRAM, '@pytest.mark.accel(faults="fail:nth=3")\n', "")
    text = mended(text, "    with pytest.raises(OperationError):\n        digest", "    if True:\n        digest")
    outcome(pytester, "test_program", text).assert_outcomes(passed=1)


def test_the_program_mended(pytester: pytest.Pytester) -> None:
    text = mended(
        PROGRAM,
        "    value = job.result()\n    ctx.close()\n    return value\n",
        "    ctx.close()\n    return job.result()\n",
    )
    outcome(pytester, "test_program", text).assert_outcomes(passed=1)
