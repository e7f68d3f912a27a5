"""What the bridge costs and gives: `python -m benchmarks.bridge`."""
