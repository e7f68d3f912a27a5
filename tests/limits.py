"""After how long a test that waits is ended.

These limits tell a hang from a slow machine, and are far above what a test takes on a machine that is busy with other
work. Nothing is waited for by time alone, so a test that passes never takes them.
"""

TEST_S = 600
"""A whole test, unless its mark says otherwise."""

WAIT_S = 300.0
"""One wait in it: for a child process, a message, an event. Shorter than that of the test, so that it names what is
missing."""
