"""How much the tests do that could go on for ever.

`make test` runs a part of each that finds what it is there to find. `make thorough` sets SIMACCEL_EFFORT=full, and runs
all tests with all that is named with FULL.
"""

from __future__ import annotations

import os

FULL = os.environ.get("SIMACCEL_EFFORT") == "full"
