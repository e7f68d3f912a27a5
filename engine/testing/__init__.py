"""Tools to test code that pauses: schedules, models, misuse of wait contexts and jobs."""

from engine.testing.accel import Accel
from engine.testing.accelerator import ContractError, check_accelerator
from engine.testing.exploration import (
    EndlessError,
    Exploration,
    Model,
    ModelError,
    NondeterministicError,
    Run,
    Schedule,
    ScheduleError,
    ScheduleFailure,
    Spin,
    StuckError,
    Wait,
    explore,
    replay,
)
from engine.testing.invariants import InvariantError, Ledger, check_invariants
from engine.testing.manual import ManualAccelerator
from engine.testing.misuse import Kind, Misuse, MisuseError, MisuseReport, detect_misuse
from engine.testing.recording import Difference, record_scenario, replay_scenario
from engine.testing.scenario import Scenario
from engine.testing.scenario_run import ScenarioOutcome, run_scenario
from engine.testing.sweep import EVERY_FAULT, SweepReport, SweepStep, sweep

__all__ = [
    "EVERY_FAULT",
    "Accel",
    "ContractError",
    "Difference",
    "EndlessError",
    "Exploration",
    "InvariantError",
    "Kind",
    "Ledger",
    "ManualAccelerator",
    "Misuse",
    "MisuseError",
    "MisuseReport",
    "Model",
    "ModelError",
    "NondeterministicError",
    "Run",
    "Scenario",
    "ScenarioOutcome",
    "Schedule",
    "ScheduleError",
    "ScheduleFailure",
    "Spin",
    "StuckError",
    "SweepReport",
    "SweepStep",
    "Wait",
    "check_accelerator",
    "check_invariants",
    "detect_misuse",
    "explore",
    "record_scenario",
    "replay",
    "replay_scenario",
    "run_scenario",
    "sweep",
]
