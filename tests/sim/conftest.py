"""Fixtures of the device's tests."""

from __future__ import annotations

import threading

import pytest


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the device reports through threading.excepthook, instead of printing it."""
    errors: list[BaseException] = []

    def hook(args: threading.ExceptHookArgs) -> None:
        assert args.exc_value is not None
        errors.append(args.exc_value)

    monkeypatch.setattr(threading, "excepthook", hook)
    return errors
