"""Kernels: the work that requests do, which is real cryptography, by name."""

from sim.kernels.kernel import Kernel
from sim.kernels.registry import BUILT_IN, Kernels

__all__ = ["BUILT_IN", "Kernel", "Kernels"]
