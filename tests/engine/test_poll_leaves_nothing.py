"""Who polls and gets no completion leaves nothing with the device."""

from __future__ import annotations

import pytest

from engine import Engine
from engine.errors import DeadlineError, RingFullError
from sim import Accelerator


def test_operations_that_nothing_completes_ask_once_for_all() -> None:
    with Accelerator(depth=4, faults="lose") as accel, Engine(accel, "poll", deadline_ns=300_000) as engine:
        for _ in range(20):
            with pytest.raises((DeadlineError, RingFullError)):
                engine.sha256(b"x")
        assert len(accel._device.interrupt.on_masked) <= 1
