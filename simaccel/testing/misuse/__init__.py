"""The misuse detector finds what code under test does wrong with wait contexts and jobs. See `detect_misuse`."""

from simaccel.testing.misuse.detector import Misuse, detect_misuse
from simaccel.testing.misuse.report import Kind, MisuseError, MisuseReport

__all__ = ["Kind", "Misuse", "MisuseError", "MisuseReport", "detect_misuse"]
