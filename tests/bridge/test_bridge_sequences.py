"""Random sequences of calls: our provider answers each as the default provider alone does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.bridge.device import DeviceProcess
from tests.bridge.toolbox import HERE, Toolbox
from tests.effort import pick
from tests.limits import WAIT_S
from tests.shared import once

SEED = int(os.environ.get("SIMACCEL_SEQUENCE_SEED", "1"))
COUNT = int(os.environ.get("SIMACCEL_SEQUENCES", pick("400", "1000", "1000")))


@pytest.fixture(scope="module")
def program(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that makes them."""
    names = ("sequences", "sequences_classic", "sequences_scheme", "sequences_sign", "sequences_keys")
    sources = [HERE / f"{name}.c" for name in names]
    folder = once(tmp_path_factory, "sequences", lambda folder: toolbox.compile(folder / "sequences", *sources))
    return folder / "sequences"


@pytest.mark.parametrize("mode", ["blocking", "job"])
def test_every_call_is_answered_as_by_the_default_provider(
    toolbox: Toolbox, device: DeviceProcess, program: Path, mode: str
) -> None:
    """Status, last error, and output; random signatures by verifying them, with the same length of salt."""
    environment = toolbox.environment(device.address)
    del environment["OPENSSL_CONF"]  # it loads the provider itself
    command = [str(program), str(toolbox.provider), str(SEED), str(COUNT), mode]
    limit_s = WAIT_S * (2 + COUNT / 1000)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}"
    counted = json.loads(done.stdout)
    # That much of it was worth comparing, and done on the device.
    assert counted["succeeded"] > COUNT
    assert counted["offloaded"] > COUNT / 4
    assert counted["same_bytes"] > COUNT / 5
    assert counted["verified"] > COUNT / 10
    assert (counted["pauses"] > 0) == (mode == "job")
    assert sum(device.stat()["by_op"].values()) >= counted["offloaded"]
