"""Random job scripts on both sides, compared by their traces."""

from __future__ import annotations

from hypothesis import given, seed, settings

from tests.conformance.programs import programs
from tests.oracle import simaccel_side
from tests.oracle.driver import driver
from tests.oracle.errors import DisagreementError
from tests.oracle.libcrypto import load
from tests.oracle.script import Program, first_difference


def run_job_scripts(options: settings, chosen_seed: int) -> None:
    """Run that many scripts; DisagreementError with the smallest one found, where the sides part."""

    @seed(chosen_seed)
    @options
    @given(programs(size_zero=load().takes_size_zero))
    def agree(program: Program) -> None:
        difference = first_difference(program, simaccel_side.run(program), driver().run(program))
        if difference is not None:
            raise DisagreementError(difference)

    agree()
