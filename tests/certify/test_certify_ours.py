"""The judge judged: our own server passes, and with a fault planted fails in the scenario that is to find it."""

from __future__ import annotations

import pytest

from simaccel.certify.catalogue import CATALOGUE
from simaccel.certify.scenarios.all_scenarios import SCENARIOS
from tests.bridge.tls import free_port
from tests.bridge.toolbox import Toolbox
from tests.certify.servers import SOON_S, Subject, Workshop, certify, outcomes
from tests.effort import pick, some

NAMES = [scenario.name for scenario in SCENARIOS]
BY_CALLBACK = [
    "fd-reuse",
    "many-pauses",
    "wake-before-pause",
    "spurious-wake",
    "early-resume",
    "duplicate",
    "ring-full",
]
"""Those whose faults are others in a server that is told by callback."""


def test_each_scenario_of_the_catalogue_is_played() -> None:
    assert list(CATALOGUE) == NAMES


@pytest.mark.parametrize(("by", "played"), [("fd", some(NAMES, 9)), ("callback", pick(BY_CALLBACK[:4], NAMES, NAMES))])
def test_the_right_server_passes(workshop: Workshop, toolbox: Toolbox, by: str, played: list[str]) -> None:
    code, result = certify(workshop.ours(by), toolbox, *played, more=("--connects", pick("100", "1000", "1000")))
    assert outcomes(result) == dict.fromkeys(played, "passed"), result
    assert (code, result["passed"], result["summary"]) == (0, True, "its jobs pause")


FAULTS = [*(("fd", name) for name in NAMES), *(("callback", name) for name in BY_CALLBACK)]


@pytest.mark.parametrize(("by", "fault"), some(FAULTS, 6))
def test_a_planted_fault_is_caught_by_its_scenario(workshop: Workshop, toolbox: Toolbox, by: str, fault: str) -> None:
    code, result = certify(workshop.ours(by, fault), toolbox, fault, limit_s=SOON_S, more=("--connects", "400"))
    (verdict,) = result["verdicts"]
    assert (code, verdict["outcome"]) == (1, "failed"), verdict
    assert verdict["seen"]
    assert f"--scenario {fault} --seed 1 -- {workshop.folder}/server" in verdict["again"]


@pytest.mark.parametrize("address", ["localhost:{}", "[::1]:{}"])
def test_a_name_and_an_address_of_ipv6(workshop: Workshop, toolbox: Toolbox, address: str) -> None:
    port = free_port()
    keys = ["-cert", str(workshop.folder / "ec.crt"), "-key", str(workshop.folder / "ec.key")]
    command = ["openssl", "s_server", "-quiet", "-accept", address.format(port), *keys]
    subject = Subject(port, command, ["--connect", address.format(port)])
    code, result = certify(subject, toolbox, "error")
    assert (code, outcomes(result)) == (0, {"error": "passed"}), result


def test_a_server_that_blocks_is_told_so(workshop: Workshop, toolbox: Toolbox) -> None:
    subject = workshop.ours("blocking")
    code, result = certify(subject, toolbox, "offload", "asynchronous", "spurious-wake", "error", "tls-1.3")
    assert code == 0
    assert result["summary"] == "it blocks"
    assert outcomes(result) == {
        "offload": "passed",
        "asynchronous": "does not apply",
        "spurious-wake": "does not apply",
        "error": "passed",
        "tls-1.3": "passed",
    }
