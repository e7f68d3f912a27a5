"""The client of a device process: what runs in the Python program that calls `simaccel.connect`."""
