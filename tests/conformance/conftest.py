"""The two sides as fixtures. If the oracle is missing, tests are skipped, or fail with CI=true."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tests.conformance.job_scripts import KINDS
from tests.conformance.profile import NAME, SEED
from tests.oracle.driver import Driver, driver
from tests.oracle.errors import OracleMissingError
from tests.oracle.libcrypto import Libcrypto, load
from tests.oracle.script import Program, Trace
from tests.oracle.sides import Side, libcrypto_side, simaccel_side

RunScript = Callable[[Program], Trace]
_T = TypeVar("_T")


def oracle_or_skip(make: Callable[[], _T]) -> _T:
    """What `make` returns. If the oracle is missing, the test is skipped, or fails with CI=true."""
    try:
        return make()
    except OracleMissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must compare with libcrypto: {error}", pytrace=False)
        pytest.skip(str(error))


def pytest_report_header() -> str:
    """What this run compares with, and how to repeat the same random programs."""
    try:
        found = load()
        oracle = f"{found.version_text} ({found.path})"
    except OracleMissingError as error:
        oracle = f"none, {error}"
    return f"conformance: libcrypto {oracle}; profile {NAME}, SIMACCEL_CONFORMANCE_SEED={SEED}"


@pytest.fixture(scope="session", name="libcrypto")
def libcrypto_fixture() -> Libcrypto:
    """The real libcrypto."""
    return oracle_or_skip(load)


@pytest.fixture(scope="session", name="driver")
def driver_fixture() -> Driver:
    """The compiled driver for job scripts on libcrypto."""
    return oracle_or_skip(driver)


@pytest.fixture(params=["simaccel", "libcrypto"])
def side(request: pytest.FixtureRequest) -> Side:
    """Each side in turn, because a test must hold for both."""
    return simaccel_side() if request.param == "simaccel" else oracle_or_skip(libcrypto_side)


@pytest.fixture(params=[*KINDS, "libcrypto"])
def run_script(request: pytest.FixtureRequest) -> RunScript:
    """How to run a job script, on each side in turn; on ours with both kinds of jobs."""
    return oracle_or_skip(driver).run if request.param == "libcrypto" else KINDS[request.param]
