"""How long requests take: models of service and latency, their text form, and presets of real cards."""

from sim.timing.columns import Column, read_column
from sim.timing.models import Exponential, Fixed, Lognormal, Model, PerByte, PerOperation, Tail, Uniform
from sim.timing.parse import FORMS, as_timing, parse_timing
from sim.timing.presets import preset, preset_names
from sim.timing.quantities import format_duration_ns, parse_duration_ns
from sim.timing.recorded import Recorded, without_files
from sim.timing.timing import INSTANT, Timing

__all__ = [
    "FORMS",
    "INSTANT",
    "Column",
    "Exponential",
    "Fixed",
    "Lognormal",
    "Model",
    "PerByte",
    "PerOperation",
    "Recorded",
    "Tail",
    "Timing",
    "Uniform",
    "as_timing",
    "format_duration_ns",
    "parse_duration_ns",
    "parse_timing",
    "preset",
    "preset_names",
    "read_column",
    "without_files",
]
