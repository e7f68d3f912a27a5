"""What the engine needs of an accelerator and of whoever drives jobs."""

from __future__ import annotations

from typing import Protocol


class Driver(Protocol):
    """Whoever resumes jobs when they are woken."""
