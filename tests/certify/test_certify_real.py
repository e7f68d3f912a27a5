"""Real servers: HAProxy 2.6, Traffic Server 9 and `openssl s_server -async` pass or fail only where they really do.

A part of the scenarios in every run; SIMACCEL_CERTIFY=full plays all (make certify). docs/certify.md says what was
found out about the failures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from simaccel.certify.scenarios.all_scenarios import SCENARIOS
from tests.bridge.conftest import require
from tests.bridge.toolbox import PREFIX, Toolbox
from tests.certify.servers import LIMIT_S, Workshop, certify, outcomes
from tests.effort import pick, some

FULL = os.environ.get("SIMACCEL_CERTIFY") == "full"
PART = (
    *("offload", "asynchronous", "abort-mid-pause", "abort-waiting-for-slot", "fd-reuse", "many-pauses"),
    *("early-resume", "held-for-ever", "error", "device-restart", "reload", "graceful-stop", "client-certificate"),
)

pytestmark = [
    pytest.mark.skipif(bool(PREFIX), reason="Debian's servers use the system's OpenSSL"),
    pytest.mark.watchdog(3600 if FULL else 600),
]

EXPECTED = {
    "haproxy": dict[str, str](),
    "traffic_server": dict[str, str](),
    "s_server": {
        "asynchronous": "failed",
        "abort-waiting-for-slot": "does not apply",
        "ring-full": "does not apply",
        "reload": "does not apply",
    },
}
"""By server, what is not passed."""

SERIAL_LIMIT_S = 30 if FULL else 8
"""For a server that serves one at a time, which only waiting shows. Time without a CPU does not count."""
PARTS: dict[str, Sequence[str]] = {
    "haproxy": some(PART, 5),
    "traffic_server": some(PART, 3),
    "s_server": pick(("asynchronous", "many-pauses"), PART, PART),
}
PROGRAMS = {"haproxy": "haproxy", "traffic_server": "traffic_server", "s_server": "openssl"}


@pytest.mark.parametrize("server", EXPECTED)
def test_verdicts(workshop: Workshop, toolbox: Toolbox, tmp_path: Path, server: str) -> None:
    require(PROGRAMS[server])
    subject = getattr(workshop, server)(tmp_path)
    # That a server serves one at a time shows by the limit alone.
    limit_s = SERIAL_LIMIT_S if server == "s_server" else LIMIT_S
    code, result = certify(subject, toolbox, *(() if FULL else PARTS[server]), limit_s=limit_s)
    names = [scenario.name for scenario in SCENARIOS] if FULL else PARTS[server]
    assert outcomes(result) == {name: EXPECTED[server].get(name, "passed") for name in names}, result
    assert code == ("failed" in EXPECTED[server].values())
