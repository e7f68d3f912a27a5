"""The command line, as the tests of the commands use it."""

from tests.cli.conftest import cli

__all__ = ["cli"]
