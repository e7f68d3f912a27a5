"""The bridge: the device as a process of its own, reached through shared memory by OpenSSL programs and by Python."""

from sim.bridge.accelerator import RemoteAccelerator
from sim.bridge.remote import NoDeviceError, default_address, inject, read_report
from sim.bridge.server import Server
from sim.bridge.spawn import device_process

__all__ = ["NoDeviceError", "RemoteAccelerator", "Server", "default_address", "device_process", "inject", "read_report"]
