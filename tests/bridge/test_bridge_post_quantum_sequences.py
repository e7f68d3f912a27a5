"""Random sequences of calls with ML-DSA and ML-KEM: our provider answers each as the default provider alone does."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.bridge.device import SERVE, DeviceProcess
from tests.bridge.toolbox import HERE, Toolbox
from tests.limits import WAIT_S
from tests.shared import once

pytestmark = pytest.mark.xdist_group("post_quantum")

SEED = int(os.environ.get("SIMACCEL_SEQUENCE_SEED", "1"))
COUNT = int(os.environ.get("SIMACCEL_SEQUENCES", "1000"))


@pytest.fixture(scope="module")
def sequences(post_quantum: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program that makes random sequences of calls."""
    names = ("sequences", "sequences_post_quantum", "sequences_mldsa", "sequences_mlkem")
    sources = [HERE / f"{name}.c" for name in names]
    folder = once(
        tmp_path_factory, "sequences-post-quantum", lambda folder: post_quantum.compile(folder / "sequences", *sources)
    )
    return folder / "sequences"


def run_sequences(
    toolbox: Toolbox, program: Path, device: DeviceProcess, mode: str, count: int = COUNT, **settings: object
) -> tuple[dict[str, int], dict[str, int]]:
    """What the program counted, and what the device's clients did."""
    environment = toolbox.environment(device.address, **settings)
    del environment["OPENSSL_CONF"]  # it loads the provider itself
    command = [str(program), str(toolbox.provider), str(SEED), str(count), mode]
    limit_s = WAIT_S * (2 + count / 1000)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=limit_s, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}"
    return json.loads(done.stdout), device.stat()["told"]


@pytest.mark.parametrize("mode", ["blocking", "job"])
def test_every_call_is_answered_as_by_the_default_provider(
    post_quantum: Toolbox, device: DeviceProcess, sequences: Path, mode: str
) -> None:
    """Status, last error, secrets and deterministic signatures; other signatures by verifying both. Among the calls are
    context strings that are too long, damaged ciphertexts and such of a wrong length, and keys without a seed."""
    made, told = run_sequences(post_quantum, sequences, device, mode)
    # That much of it was worth comparing, and done on the device.
    assert made["succeeded"] > COUNT
    assert made["offloaded"] > COUNT / 3
    assert made["same_bytes"] > COUNT / 3
    assert made["verified"] > COUNT / 5
    assert made["pauses"] >= (made["offloaded"] if mode == "job" else 0)
    assert told["unsupported"] == told["software"] > 0
    assert told["failed"] == told["damaged"] == 0


@pytest.mark.parametrize(
    ("fault", "count", "settings"),
    [
        ("corrupt:every=2", "damaged", {}),
        ("corrupt:every=2,bytes=0+-1", "damaged", {}),
        ("fail:every=2", "failed", {}),
        ("lose:nth=3", "expired", {"deadline_ms": 500}),
        ("duplicate:every=2", None, {}),
    ],
)
def test_no_fault_lets_a_wrong_answer_out(
    post_quantum: Toolbox, sequences: Path, fault: str, count: str | None, settings: dict[str, object]
) -> None:
    """Whatever the device makes of it, each answer is as the default provider's: software repairs it."""
    with DeviceProcess(None, "--fault", fault, module=SERVE) as device:
        made, told = run_sequences(post_quantum, sequences, device, "job", 200, **settings)
        assert made["verified"] > 0
        assert made["same_bytes"] > 0
        assert count is None or told[count] > 0
        assert sum(device.stat()["faults"].values()) > 0
