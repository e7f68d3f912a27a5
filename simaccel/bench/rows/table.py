"""The table of what must be reached: one function a row."""

from simaccel.bench.figure import Row
from simaccel.bench.rows import crypto, device, footprint, pausing, throughput, virtual

ROWS: tuple[Row, ...] = (*pausing.ROWS, *throughput.ROWS, *device.ROWS, *crypto.ROWS, *footprint.ROWS, *virtual.ROWS)


BY_NAME = {row.name: row for row in ROWS}
