"""Real servers on the device: a table of them, and one set of checks that all of them go through."""
