"""The errors: there is no oracle, and the two sides gave different answers."""


class OracleMissingError(Exception):
    """This machine has no libcrypto, or no compiler for the driver. Tests are skipped then, or fail with CI=true."""


class DisagreementError(AssertionError):
    """simaccel and libcrypto, or libcrypto and its own other answer, do not agree."""
