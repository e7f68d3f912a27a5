"""The testing tools: schedules, misuse, faults, the pytest plugin."""
