"""The Python client of a device process: what runs in the program that calls `simaccel.connect`."""
