"""Benchmarks: ratios taken side by side in one run, and exact counts. Needs an accelerator handed in (`Rig`)."""
