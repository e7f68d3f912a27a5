"""The work that requests do: real cryptography, by name."""

from sim.kernels.kernel import Kernel
from sim.kernels.registry import BUILT_IN, Kernels

__all__ = ["BUILT_IN", "Kernel", "Kernels"]
