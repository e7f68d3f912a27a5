"""The command line: `simaccel`."""

from simaccel.cli.start import main

__all__ = ["main"]
