"""The way of an operation, in random programs: as it is, nothing is lost and nothing is left behind."""

from tests.conformance.device_programs import run_device_programs


def test_random_device_programs() -> None:
    assert run_device_programs(600) == 600
