"""Some of the servers, with fewer connections than `make servers`: those that CI has installed."""

from __future__ import annotations

import os

import pytest

from tests.bridge.conftest import require
from tests.bridge.toolbox import PREFIX, Toolbox
from tests.servers.callers import CALLERS, check_caller
from tests.servers.checks import check
from tests.servers.entries import SERVERS
from tests.servers.strangers import STRANGERS, check_stranger

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can start servers as other users"),
    pytest.mark.skipif(bool(PREFIX), reason="Debian's servers use the system's OpenSSL"),
    pytest.mark.in_ci,
]

IN_CI = ("haproxy", "trafficserver", "nginx", "stunnel", "node")


@pytest.mark.parametrize("name", IN_CI)
def test_a_server_passes_all_checks(toolbox: Toolbox, name: str) -> None:
    require(SERVERS[name].program)
    check(SERVERS[name], toolbox.provider, count=10, kills=1)


@pytest.mark.parametrize("name", STRANGERS)
def test_what_can_not_use_the_device_does_not(toolbox: Toolbox, name: str) -> None:
    if not STRANGERS[name].installed:
        pytest.skip(f"{name} is not installed: tests/servers/install.sh installs it")
    check_stranger(STRANGERS[name], toolbox.provider)


@pytest.mark.parametrize("name", CALLERS)
def test_a_program_that_waits_by_callback_is_always_called(toolbox: Toolbox, name: str) -> None:
    if not CALLERS[name].installed:
        pytest.skip(f"{name} is not built: {CALLERS[name].install} builds it")
    check_caller(CALLERS[name], toolbox.provider, kills=1)
