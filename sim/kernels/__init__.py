"""Kernels, by name: the work that the device does for requests. It is real cryptography."""

from sim.kernels.kernel import Kernel
from sim.kernels.registry import BUILT_IN, Kernels

__all__ = ["BUILT_IN", "Kernel", "Kernels"]
