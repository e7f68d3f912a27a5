"""The live page of a device process: what `simaccel stat` says, as it changes, and switches for faults."""
