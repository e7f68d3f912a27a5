"""`python -m benchmarks`: measure, and say what of the table is reached."""

from __future__ import annotations

import argparse

from engine.bench.rig import Rig
from engine.bench.rows import BY_NAME
from engine.bench.tables import show_outcome
from sim import Accelerator, Coalescing, VirtualClock


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--row", action="append", choices=list(BY_NAME), help="this row alone; again")
    parser.add_argument("--rounds", type=int, help="interleaved rounds")
    options = parser.parse_args()
    rig = Rig(Accelerator, VirtualClock, Coalescing)
    for name in options.row or BY_NAME:
        chosen = BY_NAME[name]
        show_outcome(chosen, chosen.measure(rig, options.rounds or chosen.rounds))


if __name__ == "__main__":
    main()
