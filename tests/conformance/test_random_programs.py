"""Random programs on both sides. `make conformance` runs ten times as many; see profile.py for count and seed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.conformance.job_scripts import run_job_scripts
from tests.conformance.profile import NAME, PROFILE, SEED, examples
from tests.conformance.wait_machine import run_wait_programs
from tests.oracle.driver import Driver
from tests.oracle.errors import DisagreementError
from tests.oracle.libcrypto import Libcrypto


@contextmanager
def replay_line() -> Iterator[None]:
    try:
        yield
    except DisagreementError as error:
        error.add_note(f"replay: SIMACCEL_CONFORMANCE={NAME} SIMACCEL_CONFORMANCE_SEED={SEED} pytest {__file__}")
        raise


def test_wait_contexts_agree(libcrypto: Libcrypto) -> None:
    with replay_line():
        run_wait_programs(examples(PROFILE.wait_programs), SEED)


def test_job_scripts_agree(driver: Driver) -> None:
    with replay_line():
        run_job_scripts(examples(PROFILE.job_scripts), SEED)
