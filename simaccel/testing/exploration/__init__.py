"""Runs a model under every order of its steps. See `explore`."""

from simaccel.testing.exploration.actor import Spin, Wait
from simaccel.testing.exploration.errors import (
    EndlessError,
    ModelError,
    NondeterministicError,
    ScheduleError,
    StuckError,
)
from simaccel.testing.exploration.explore import Exploration, explore, replay
from simaccel.testing.exploration.failure import ScheduleFailure
from simaccel.testing.exploration.run import Model, Run
from simaccel.testing.exploration.schedule import Schedule

__all__ = [
    "EndlessError",
    "Exploration",
    "Model",
    "ModelError",
    "NondeterministicError",
    "Run",
    "Schedule",
    "ScheduleError",
    "ScheduleFailure",
    "Spin",
    "StuckError",
    "Wait",
    "explore",
    "replay",
]
