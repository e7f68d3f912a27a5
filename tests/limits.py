"""The time after which a test that waits is ended.

These limits tell a hang from a slow machine. They are far longer than a test takes on a busy machine. Tests wait for
events and not for time, so a test that passes never reaches them.
"""

TEST_S = 600
"""The limit for a whole test, unless its mark says otherwise."""

WAIT_S = 300.0
"""The limit for one wait in a test, for a child process, a message or an event. It is shorter than that of the test, so
that the failure names what is missing."""
