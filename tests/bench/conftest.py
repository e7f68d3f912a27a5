"""What the benchmarks run on, in tests."""

from __future__ import annotations

import pytest

from engine.bench.rig import Rig
from sim import Accelerator, Coalescing, VirtualClock


@pytest.fixture(scope="session")
def rig() -> Rig:
    return Rig(Accelerator, VirtualClock, Coalescing)
