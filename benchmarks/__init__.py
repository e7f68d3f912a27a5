"""Programs that measure simaccel: `python -m benchmarks`."""
