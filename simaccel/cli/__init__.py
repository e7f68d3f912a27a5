"""The command line: `simaccel`."""

from simaccel.cli.entry import main

__all__ = ["main"]
