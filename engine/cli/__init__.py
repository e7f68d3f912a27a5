"""The command line: `simaccel`."""

from engine.cli.entry import main

__all__ = ["main"]
