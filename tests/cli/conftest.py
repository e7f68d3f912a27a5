"""The fixture `cli`."""

from __future__ import annotations

import pytest

from simaccel.cli.workload import software
from tests.cli.cli import Cli
from tests.keys import rsa_key


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`cli("run", "--count", "10")` runs simaccel in this process. It takes a known RSA key, and makes none."""
    monkeypatch.setattr(software, "_rsa_key", rsa_key)
    return Cli(capfdbinary)
