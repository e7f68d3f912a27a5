"""What the benchmarks run on, in tests."""

from __future__ import annotations

import pytest

from simaccel.bench.rig import Rig
from simaccel.cli.commands.bench import RIG


@pytest.fixture(scope="session")
def rig() -> Rig:
    return RIG
