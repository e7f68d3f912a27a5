"""Fixtures of the device's tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest


@pytest.fixture
def reported() -> Iterator[list[BaseException]]:
    """What the device reports through threading.excepthook, instead of printing it."""
    errors: list[BaseException] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        assert args.exc_value is not None
        errors.append(args.exc_value)

    with pytest.MonkeyPatch.context() as patch:  # of its own: a test may undo what it patched itself
        patch.setattr(threading, "excepthook", hook)
        yield errors
