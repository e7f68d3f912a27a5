"""The bridge: the device as a process of its own, reached through shared memory by OpenSSL programs and by Python."""

from sim.bridge.server import Server

__all__ = ["Server"]
