"""The simulation against queueing theory, in short, within what ten runs vary by. The benchmark does it in full.

The formulas themselves are checked with values that are printed in books.
"""

from __future__ import annotations

import math
import os
import statistics

import pytest

from benchmarks.queueing.cases import CASES, Case
from benchmarks.queueing.other_simulator import SYSTEMS, System
from simaccel.load import formulas

RUNS, COUNT = 10, 4_000
OTHER_RUNS = 6
"""Of the other simulator, which takes ten times as long. With t of 9 degrees of freedom the bound is a little low."""
T_999 = 4.781
"""Student's t of 9 degrees of freedom: 99.9 % lie within so many standard errors."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_theory_lies_within_what_runs_vary_by(case: Case) -> None:
    found = [case.found(case.run(COUNT, seed)) for seed in range(RUNS)]
    for name, wanted in case.wanted.items():
        values = [one[name] for one in found]
        error = T_999 * statistics.stdev(values) / math.sqrt(RUNS)
        assert statistics.mean(values) == pytest.approx(wanted, abs=error), name
        # And that is a bound worth having.
        assert error < 0.5 * wanted, name


@pytest.mark.in_ci
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_another_simulator_agrees(system: System) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip("ciw")
    ours, theirs = (
        [float(simulated(2_000, seed).mean()) for seed in range(first, first + OTHER_RUNS)]
        for simulated, first in ((system.ours, 0), (system.theirs, 100))
    )
    error = T_999 * math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / OTHER_RUNS)
    assert statistics.mean(ours) == pytest.approx(statistics.mean(theirs), abs=error)
    assert error < 0.4 * statistics.mean(ours)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (formulas.erlang_b(5, 3.0), 0.1101),  # tables of Erlang B
        (formulas.erlang_b(10, 5.0), 0.0184),
        (formulas.erlang_c(2, 1.0), 1 / 3),
        (formulas.erlang_c(3, 2.0), 4 / 9),  # Gross and others, 2.4
        (formulas.mm1_latency(0.5, 1), 2.0),
        (formulas.mm1_latency_below(0.99, 0.5, 1), 2 * math.log(100)),
        (formulas.mmc_latency(1, 0.5, 1), 2.0),
        (formulas.mmc_latency_below(0.99, 1, 0.5, 1), 2 * math.log(100)),
        (formulas.md1_latency(0.5, 1), 1.5),
        (formulas.mg1_latency(0.5, 1, 1), 2.0),
        (formulas.md1_share_waiting_above(0.5, 1, 0.0), 0.5),
        (formulas.mmck(1, 1, 1.0, 1.0)[0], 0.5),
        (formulas.mmck(5, 5, 3.0, 1.0)[0], formulas.erlang_b(5, 3.0)),
        (formulas.mmc_share_finding(2, 2, 1.0, 1.0), 1 / 3),
        (formulas.mmc_share_finding(1, 3, 0.5, 1.0), 0.125),
        (formulas.mmc_share_finding(4, 0, 3.0, 1.0), 1.0),
        (formulas.repairman(1, 1, 9.0, 1.0)[0], 0.1),
        (formulas.repairman(2, 1, 1.0, 1.0)[0], 0.8),
    ],
)
def test_formulas_give_what_books_print(found: float, wanted: float) -> None:
    assert found == pytest.approx(wanted, rel=2e-3)


def test_formulas_say_when_a_queue_grows_for_ever() -> None:
    assert formulas.erlang_c(2, 2.0) == formulas.mmc_share_above(2, 2.0, 1, 1) == 1.0
    assert formulas.mm1_latency(1, 1) == formulas.mg1_latency(1, 1, 0) == formulas.mmc_latency(2, 2, 1) == math.inf
    assert formulas.mmc_latency_below(0.99, 2, 2, 1) == math.inf
