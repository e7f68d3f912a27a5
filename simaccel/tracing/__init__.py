"""What a device did, as a file for Perfetto, and what such a file says about where the time went."""

import hotpath  # noqa: F401  # first: it chooses the compiled modules or the Python ones
