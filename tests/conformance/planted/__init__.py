"""Planted bugs: each breaks simaccel on purpose, and the suite must notice. Proof that the tests bite."""

from tests.conformance.planted import device, jobs, waits  # noqa: F401 - importing a module plants its bugs in PLANTS
from tests.conformance.planted.plant import PLANTS, Plant

__all__ = ["PLANTS", "Plant"]
