"""Faults on demand: verdicts, the rules that give them, and their text form.

A rule's way goes from `text` over `rules` and the `injector` to the `handlers`, which use `effects`. `handle` is
`accel.faults`.
"""

from sim.faults.rules import Rule, When
from sim.faults.text import format_fault, parse_faults
from sim.faults.verdicts import (
    KINDS,
    PASS,
    Corrupt,
    Delay,
    Duplicate,
    EarlyWake,
    Fail,
    Hold,
    Lose,
    LoseInterrupt,
    PartialBatch,
    Pass,
    Reject,
    Remove,
    Reorder,
    Reset,
    SpuriousWake,
    StallUnit,
    StickDoorbell,
    Verdict,
)

__all__ = [
    "KINDS",
    "PASS",
    "Corrupt",
    "Delay",
    "Duplicate",
    "EarlyWake",
    "Fail",
    "Hold",
    "Lose",
    "LoseInterrupt",
    "PartialBatch",
    "Pass",
    "Reject",
    "Remove",
    "Reorder",
    "Reset",
    "Rule",
    "SpuriousWake",
    "StallUnit",
    "StickDoorbell",
    "Verdict",
    "When",
    "format_fault",
    "parse_faults",
]
