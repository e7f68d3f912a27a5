"""Why there is no oracle, and what it means when both sides were asked and answered differently."""


class OracleMissingError(Exception):
    """This machine has no libcrypto, or nothing to compile the driver with: skip, or with CI=true fail."""


class DisagreementError(AssertionError):
    """simaccel and libcrypto, or libcrypto and its own other answer, do not agree."""
