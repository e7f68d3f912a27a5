"""The fixture `cli`."""

from __future__ import annotations

import pytest

from tests.cli.cli import Cli


@pytest.fixture
def cli(capfdbinary: pytest.CaptureFixture[bytes]) -> Cli:
    """`cli("run", "--count", "10")` runs simaccel in this process."""
    return Cli(capfdbinary)
