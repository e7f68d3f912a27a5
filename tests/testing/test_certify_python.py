"""`accel.certify`: right servers pass, and a fault for each scenario is caught by it. Every run gives the same."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from engine import Engine
from simaccel.certify.catalogue import CATALOGUE
from simaccel.testing import CERTIFY_SCENARIOS, Accel, CertifyError
from simaccel.testing.python_servers.client import HandshakeError
from tests.docs.pages import ROOT
from tests.effort import FULL, pairs
from tests.testing.certified_servers import (
    FEW_CONNECTIONS,
    ByCallback,
    ByFd,
    InTheCallback,
    OnAsyncio,
    OnTasks,
    Server,
)

CONNECTS = 1000 if FULL else FEW_CONNECTIONS + 10
TIMES = 10 if FULL else 2

RIGHT: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (ByFd, {}, {}),
    (ByFd, {"notify": "pipe"}, {}),
    (ByCallback, {"notify": "callback"}, {}),
    (ByCallback, {"notify": "callback", "contract": "strict"}, {}),
    (ByCallback, {"notify": "poll"}, {}),
    (ByCallback, {"notify": "heuristic", "latency": "uniform:5us,50us"}, {}),
    (OnAsyncio, {}, {}),
    (OnAsyncio, {"notify": "callback"}, {}),
    (OnTasks, {}, {"kinds": ("coroutine",)}),
]
BY: list[tuple[type[Server], str]] = [(ByFd, "fd"), (ByCallback, "callback")]


def test_each_scenario_of_the_catalogue_is_played_or_the_page_says_why_not() -> None:
    assert [entry.name for entry in CATALOGUE.values() if entry.python] == list(CERTIFY_SCENARIOS)
    page = (ROOT / "docs" / "certify-python.md").read_text(encoding="utf-8")
    for name in CATALOGUE:
        assert f"`{name}`" in page


@pytest.mark.parametrize(("server", "options", "more"), RIGHT)
def test_a_right_server_passes(server: Any, options: dict[str, Any], more: dict[str, Any]) -> None:
    with Accel(seed=1, **options) as accel:
        result = accel.certify(server, connects=CONNECTS, **more)
    assert [verdict.name for verdict in result.verdicts] == list(CERTIFY_SCENARIOS)
    assert {verdict.outcome.value for verdict in result.verdicts} == {"passed"}, result
    assert (result.subject, result.summary, result.seed) == (server.__name__, "its jobs pause", 1)


@pytest.mark.parametrize(("name", "by"), pairs([*CERTIFY_SCENARIOS], BY))
def test_a_planted_fault_is_caught_by_its_scenario(name: str, by: tuple[type[Server], str]) -> None:
    server, notify = by
    with Accel(seed=1, notify=notify) as accel, pytest.raises(CertifyError) as caught:
        accel.certify(partial(server, fault=name), scenarios=[name], connects=CONNECTS)
    (verdict,) = caught.value.result.verdicts
    assert (verdict.name, verdict.outcome) == (name, "failed")
    assert verdict.seen
    message = str(caught.value)
    assert f"{name} failed: {verdict.seen}" in message
    assert CATALOGUE[name].stands_for in message
    assert f"certify(server_factory, scenarios=['{name}'])" in message


@pytest.mark.parametrize(("server", "notify"), BY)
def test_every_run_gives_the_same_verdicts(server: type[Server], notify: str) -> None:
    """Of servers with a fault too, with the words that say what was seen, and when."""
    faults = ["none", *CERTIFY_SCENARIOS] if FULL else ["none", "fd-reuse", "spurious-wake"]

    def run(fault: str) -> list[tuple[str, str, str]]:
        with Accel(seed=7, notify=notify) as accel:
            try:
                result = accel.certify(partial(server, fault=fault), connects=CONNECTS if fault != "none" else 50)
            except CertifyError as error:
                result = error.result
        return [(one.name, one.outcome, re.sub(r"\bfd \d+", "fd", one.seen)) for one in result.verdicts]

    for fault in faults:
        first = run(fault)
        assert all(run(fault) == first for _ in range(TIMES - 1)), fault


def test_resuming_in_the_callback_is_found(reported: list[BaseException]) -> None:
    """The callback may come before the pause, and then the job can't be resumed yet."""
    with Accel(notify="callback") as accel, pytest.raises(CertifyError) as caught:
        accel.certify(InTheCallback, scenarios=["offload", "wake-before-pause", "early-resume"])
    assert [verdict.outcome.value for verdict in caught.value.result.verdicts] == ["passed", "failed", "passed"]
    assert {type(error) for error in reported} == {AttributeError}


def test_a_server_that_blocks_is_told_so() -> None:
    class Blocks(ByFd):
        def start(self, client: Any) -> None:
            answer = None
            with suppress(HandshakeError):
                answer = client.handshake()
            client.close(answer)

    with Accel() as accel, pytest.raises(CertifyError) as caught:
        accel.certify(Blocks, connects=5, kinds=("stackful",))
    result = caught.value.result
    assert result.summary == "it blocks"
    outcomes = {verdict.name: verdict.outcome.value for verdict in result.verdicts}
    assert outcomes.pop("asynchronous") == "failed"
    applies = {"offload", "error", "corrupt", "device-restart", "graceful-stop", "many-connects"}
    assert outcomes == {name: "passed" if name in applies else "does not apply" for name in outcomes}


def test_the_latency_of_the_test_holds(accel: Accel) -> None:
    seen = []

    class Looks(ByFd):
        def turn(self) -> None:
            super().turn()
            seen.append(self.engine.clock.now_ns())

    def factory(engine: Engine) -> Looks:
        return Looks(engine)

    with Accel(latency="fixed:3s") as slow:
        slow.certify(factory, scenarios=["offload"])
    assert max(seen) >= 16 * 2 * 3_000_000_000
