"""The bridge: a device that is a process of its own. OpenSSL programs and Python reach it through shared memory.

- `device/` runs in the device process, `client/` in the Python program that connects to it. The client of OpenSSL
  programs is in C, in `provider/`.
- Both use `wire` (the protocol), `peer` (who is at the other end of a socket) and `users` (names to numbers).
- `connect` makes a client, `spawn` starts a device process, and `remote` asks a device process about itself.
"""

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
