"""Benchmarks: ratios that are measured side by side in one run, and exact counts. A `Rig` says what they run on."""
