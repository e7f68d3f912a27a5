"""The rows of the table of speed. Each can be measured alone."""

from simaccel.bench.rows.table import BY_NAME, ROWS

__all__ = ["BY_NAME", "ROWS"]
