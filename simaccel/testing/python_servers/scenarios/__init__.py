"""The scenarios of `accel.certify`: those of `simaccel certify server` that a server in Python can be put through."""
