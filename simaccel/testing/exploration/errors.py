"""The errors of an exploration, except `ScheduleFailure`. The class says whether code, model or file is at fault."""

from __future__ import annotations

from engine.errors import EngineError, UsageError


class StuckError(AssertionError):
    """No actor can take a step, and some have not ended: a lost wake-up, or a deadlock."""


class EndlessError(AssertionError):
    """The actors keep taking steps and get nowhere: a busy loop."""


class ModelError(UsageError):
    """The model can't be explored as it is written."""


class NondeterministicError(ModelError):
    """The same schedule was run twice and led to different steps.

    The model depends on something besides the schedule: time, randomness, a hash, or state left by an earlier run.
    """


class ScheduleError(EngineError, ValueError):
    """The text of a schedule is damaged, is of another version, or does not fit the model."""
