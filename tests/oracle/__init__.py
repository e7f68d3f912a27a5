"""The real libcrypto, made drivable from Python: what the conformance suite compares simaccel with."""
