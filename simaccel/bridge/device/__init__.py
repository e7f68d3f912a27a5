"""The device process: what runs in `simaccel serve`."""
