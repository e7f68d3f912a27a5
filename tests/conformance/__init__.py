"""The suite that shows where simaccel agrees with the real libcrypto, and where it differs on purpose."""
