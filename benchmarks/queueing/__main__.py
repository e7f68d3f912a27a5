"""`python -m benchmarks.queueing`: put the validation of the simulation into docs/sizing.md. Some six minutes.

Each case runs with a million operations and eight seeds. Every figure has to be within 1 % of what theory says. Systems
without a closed form are compared with Ciw, with fewer operations because Ciw takes longer.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.queueing.cases import CASES
from benchmarks.queueing.other_simulator import SYSTEMS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sizing.md"
COUNT, SEEDS = 1_000_000, 8
OTHER_COUNT = 250_000
MOST = 0.01
T_99 = 3.499
"""Student's t of 7 degrees of freedom: 99 % lie within this many standard errors."""


def _rows() -> Iterator[tuple[str, ...]]:
    for case in CASES:
        found = [case.found(case.run(COUNT, seed)) for seed in range(SEEDS)]
        for name, wanted in case.wanted.items():
            yield _row(case.name, case.system, name, [one[name] for one in found], wanted)


def _row(system: str, load: str, name: str, values: list[float], wanted: float) -> tuple[str, ...]:
    mean = statistics.mean(values)
    error = T_99 * statistics.stdev(values) / math.sqrt(len(values))
    off = mean / wanted - 1
    if abs(off) > MOST:
        raise SystemExit(f"{system}, {name}: {mean:.6g} instead of {wanted:.6g}, off by {off:.2%}")
    unit = " us" if name in ("mean", "p99") else " /us" if name == "rate" else ""
    cells = (f"{wanted:.5g}{unit}", f"{mean:.5g}{unit}", f"{off:+.2%}", f"±{error / wanted:.2%}")
    print(system, name, *cells, flush=True)
    return system, load, name, *cells


def _others() -> Iterator[tuple[str, ...]]:
    for system in SYSTEMS:
        ours = [float(system.ours(OTHER_COUNT, seed).mean()) for seed in range(SEEDS)]
        theirs = [float(system.theirs(OTHER_COUNT, seed + 100).mean()) for seed in range(SEEDS)]
        mean, other = statistics.mean(ours), statistics.mean(theirs)
        error = T_99 * math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / SEEDS)
        cells = (f"{other:.5g} us", f"{mean:.5g} us", f"{mean / other - 1:+.2%}", f"±{error / other:.2%}")
        print(system.name, *cells, flush=True)
        yield system.name, *cells


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    """The command."""
    begun_s = time.process_time()
    parts = {
        "validation": _table(("system", "", "figure", "theory", "simulated", "off by", "99 % of runs"), _rows()),
        "others": _table(("system", "Ciw", "simulated", "off by", "99 % of such pairs"), _others()),
    }
    page = PAGE.read_text(encoding="utf-8")
    for name, table in parts.items():
        marks = rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)"
        page = re.sub(marks, lambda _, table=table: table + "\n", page, flags=re.DOTALL)  # type: ignore[misc]
    PAGE.write_text(page, encoding="utf-8")
    print(f"{time.process_time() - begun_s:,.0f} s of CPU time", file=sys.stderr)


if __name__ == "__main__":
    main()
