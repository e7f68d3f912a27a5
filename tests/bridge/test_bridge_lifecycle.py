"""What applications do to a provider that they do not know. lifecycle.c lists it, and checks the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import Toolbox, run

_ENTRIES = {"full": 2}


@pytest.mark.parametrize("what", ["closefrom", "paused", "unload", "reload", "fork", "full"])
def test_nothing_is_lost_and_nothing_hangs(toolbox: Toolbox, device: DeviceProcess, tmp_path: Path, what: str) -> None:
    _mistreat(toolbox, device, tmp_path, what)


@pytest.mark.parametrize("what", ["closefrom", "paused", "reload", "full"])
def test_sanitizers_find_nothing(
    sanitized: Toolbox, device: DeviceProcess, tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A job that is given up leaks its stack in every program, and closed fds are those of the sanitizer too.
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    _mistreat(sanitized, device, tmp_path, what)


def _mistreat(tools: Toolbox, device: DeviceProcess, folder: Path, what: str) -> None:
    environment = tools.environment(device.address, entries=_ENTRIES.get(what, 128))
    del environment["OPENSSL_CONF"]  # it loads the provider itself
    run([str(tools.lifecycle), str(tools.provider), what, str(folder)], environment)
    assert device.stat()["by_op"]["ecdsa-sign"] > 0
