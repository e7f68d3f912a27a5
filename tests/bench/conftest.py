"""What the benchmarks run on, in tests."""

from __future__ import annotations

import pytest

from engine.bench.rig import Rig
from engine.cli.bench import RIG


@pytest.fixture(scope="session")
def rig() -> Rig:
    return RIG
