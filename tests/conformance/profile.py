"""How many random programs the suite runs, and with which seed.

With SIMACCEL_CONFORMANCE=full it runs as many as the project promises (`make conformance`). Without, it runs a tenth or
less in CI, and in `make test` a third of that. SIMACCEL_CONFORMANCE_SEED chooses the seed, which the header of the
report prints.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from hypothesis import HealthCheck, Phase, settings

from tests.effort import pick


@dataclass(frozen=True, slots=True)
class Profile:
    """Numbers of random programs."""

    wait_programs: int
    job_scripts: int
    steps: int = 25
    """Operations of a wait-context program, at most."""


PROFILES = {
    "brief": Profile(wait_programs=pick(200, 600, 600), job_scripts=pick(100, 300, 300)),
    "full": Profile(wait_programs=10_000, job_scripts=2_000),
}
NAME = os.environ.get("SIMACCEL_CONFORMANCE", "brief")
PROFILE = PROFILES[NAME]
SEED = int(os.environ.get("SIMACCEL_CONFORMANCE_SEED", "1"))


def examples(count: int) -> settings:
    """Settings for that many random programs."""
    return settings(
        max_examples=count,
        stateful_step_count=PROFILE.steps,
        deadline=None,  # a slow machine is no disagreement
        # The seed decides everything. A database would add programs of other runs.
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )


def first_failure(count: int) -> settings:
    """Settings that stop at the first program that fails, without shrinking it. For bugs that we plant."""
    return settings(examples(count), phases=[Phase.generate], report_multiple_bugs=False)
