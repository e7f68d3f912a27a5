"""The time after which a test that waits is ended, and how long our own programs wait where a test uses them.

These limits tell a hang from a slow machine. They are far longer than a test takes on a busy machine. Tests wait for
events and not for time, so a test that passes never reaches them.
"""

from __future__ import annotations

from importlib import import_module

TEST_S = 600
"""The limit for a whole test, unless its mark says otherwise."""

WAIT_S = 300.0
"""The limit for one wait in a test, for a child process, a message or an event. It is shorter than that of the test, so
that the failure names what is missing."""

WAIT_NS = int(WAIT_S * 1e9)

PATIENT = {"connect_ms": 60_000, "deadline_ms": 200_000}
"""Settings of the provider. With the defaults, a program whose device does not answer for 250 ms works in software, and
fails a test that counts what the device has done. Tests of these two limits set their own."""


def patient_variables() -> dict[str, str]:
    """PATIENT as environment variables."""
    return {f"SIMACCEL_{name.upper()}": str(value) for name, value in PATIENT.items()}


def be_patient() -> None:
    """Let clients and commands in this process wait as long for a device as a test waits."""
    for name in ("remote", "client.opening", "client.accelerator"):
        module = import_module(f"simaccel.bridge.{name}")
        assert module.PATIENCE_S
        vars(module)["PATIENCE_S"] = WAIT_S
