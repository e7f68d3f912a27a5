"""Random job scripts on both sides, compared by their traces."""

from __future__ import annotations

from hypothesis import given, seed, settings

from tests.conformance.programs import programs
from tests.oracle import simaccel_side
from tests.oracle.driver import driver
from tests.oracle.errors import DisagreementError
from tests.oracle.libcrypto import load
from tests.oracle.script import Program, first_difference

KINDS = {"stackful": simaccel_side.run, "stackless": simaccel_side.run_async}
"""Both kinds of jobs must do what libcrypto's do."""


def run_job_scripts(options: settings, chosen_seed: int) -> None:
    """Run this many scripts. If the sides differ, raise DisagreementError with the smallest script that was found."""

    @seed(chosen_seed)
    @options
    @given(programs(size_zero=load().takes_size_zero))
    def agree(program: Program) -> None:
        theirs = driver().run(program)
        for kind, run in KINDS.items():
            difference = first_difference(program, run(program), theirs)
            if difference is not None:
                raise DisagreementError(f"{kind}: {difference}")

    agree()
