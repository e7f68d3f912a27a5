"""Faults on demand: verdicts, the rules that give them, and the text form of rules.

`text` makes rules of text. `rules` has the rules, which decide on a verdict for each request. The `injector` keeps the
verdict until the device comes to the request, and then calls its handler from `handlers`, which uses `effects`.
`installed_faults` is `accel.faults`, with which users install rules.

To add a fault, add its verdict to `verdicts`, which says how, and its handler to `handlers`.
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
