"""The device process, which `simaccel serve` runs. What it shows of itself is in `simaccel.watching`.

`server` is the main loop. `listener`, `admission` and `connections` let clients in; `connected_client`, `memory`,
`key_table` and `endpoint` are the device's side of one client. `decode` makes requests of submissions, and `executors`
chooses where each is done: `inline`, in `workers` or in `cores`. `totals` counts.
"""

import hotpath  # noqa: F401  # first: it chooses the compiled modules or the Python ones
