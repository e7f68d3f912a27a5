"""The bridge: the device as a process of its own, reached through shared memory by OpenSSL programs and by Python."""

from simaccel.bridge.client.accelerator import RemoteAccelerator
from simaccel.bridge.connect import connect
from simaccel.bridge.device.server import Server
from simaccel.bridge.remote import NoDeviceError, default_address, inject, read_report
from simaccel.bridge.spawn import device_process

__all__ = [
    "NoDeviceError",
    "RemoteAccelerator",
    "Server",
    "connect",
    "default_address",
    "device_process",
    "inject",
    "read_report",
]
