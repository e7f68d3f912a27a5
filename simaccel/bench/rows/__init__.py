"""The rows of the table of speed, each of which can be measured alone."""

from simaccel.bench.rows.table import BY_NAME, ROWS

__all__ = ["BY_NAME", "ROWS"]
