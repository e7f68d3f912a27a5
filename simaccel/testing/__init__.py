"""Tools to test code that pauses: all schedules of a model, misuse of wait contexts and jobs, faults, a pytest
fixture."""

from simaccel.testing.accel import Accel
from simaccel.testing.contract_suite import ContractError, check_accelerator
from simaccel.testing.exploration import (
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
from simaccel.testing.fault_sweep import EVERY_FAULT, SweepReport, SweepStep, sweep
from simaccel.testing.invariants import InvariantError, Ledger, check_invariants
from simaccel.testing.manual_accelerator import ManualAccelerator
from simaccel.testing.misuse import Kind, Misuse, MisuseError, MisuseReport, detect_misuse
from simaccel.testing.python_servers import CERTIFY_SCENARIOS, CertifiedServer, CertifyClient, CertifyError
from simaccel.testing.recording import Difference, record_scenario, replay_scenario
from simaccel.testing.scenario import Scenario
from simaccel.testing.scenario_run import ScenarioOutcome, run_scenario

__all__ = [
    "CERTIFY_SCENARIOS",
    "EVERY_FAULT",
    "Accel",
    "CertifiedServer",
    "CertifyClient",
    "CertifyError",
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
