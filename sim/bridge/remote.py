"""Asking a running device process about itself, from another process."""

from __future__ import annotations

import json
import os
import socket
from typing import Any

from sim.bridge import wire
from sim.bridge.listener import credentials
from sim.errors import SimError, UsageError

PATIENCE_S = 5.0
MAX_REPORT_BYTES = 1 << 18


class NoDeviceError(SimError):
    """No device answers at that socket, or it refuses us."""


def connect(name: str, *, any_user: bool = False) -> socket.socket:
    """A connection to the device at that socket, which is to be root's or our own unless it may be any user's.

    Raises UsageError for a name that can't be one, else NoDeviceError.
    """
    try:
        address = wire.socket_address(name)
    except ValueError as error:
        raise UsageError(str(error)) from None
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(PATIENCE_S)
    try:
        peer.connect(address)
    except OSError as error:
        peer.close()
        raise NoDeviceError(f"no device at {name}: {error.strerror or error}; start one with simaccel serve") from None
    # Anybody may take an abstract name that is free, and keys are about to go over.
    _, uid = credentials(peer)
    if not any_user and uid not in (0, os.geteuid(), os.getuid()):
        peer.close()
        raise NoDeviceError(f"the device at {name} belongs to another user, {uid}")
    return peer


def read_report(name: str) -> dict[str, Any]:
    """What the device at that socket says of itself. Raises as `connect` does."""
    return _ask(name, wire.message(wire.Message.STAT))


def inject(name: str, faults: str) -> dict[str, Any]:
    """Has the device meet these faults from now on, or with an empty text none any more; its report then.

    Raises as `connect` does; a text that is no fault is refused by the device, which is a NoDeviceError.
    """
    return _ask(name, wire.message(wire.Message.INJECT, faults.encode()))


def _ask(name: str, message: bytes) -> dict[str, Any]:
    with connect(name, any_user=True) as peer:  # root may look after the devices of others
        try:
            peer.send(message)
            data = peer.recv(MAX_REPORT_BYTES)
        except OSError as error:
            raise NoDeviceError(f"the device at {name} does not answer: {error}") from None
    if len(data) < wire.HEADER.size:
        raise NoDeviceError(f"the device at {name} closed the connection")
    magic, version, kind = wire.HEADER.unpack_from(data)
    if magic != wire.MAGIC or version != wire.VERSION:
        raise NoDeviceError(f"the device at {name} speaks another protocol: install the same simaccel on both sides")
    if kind != wire.Message.REPORT:
        raise NoDeviceError(f"the device at {name} refused: {data[wire.HEADER.size :].decode(errors='replace')}")
    report: dict[str, Any] = json.loads(data[wire.HEADER.size :])
    return report


def default_address() -> str:
    """Where a device is, unless it is said otherwise: SIMACCEL_SOCKET, as for the provider."""
    return os.environ.get("SIMACCEL_SOCKET") or "@simaccel"
