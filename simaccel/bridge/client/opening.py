"""How a Python client opens its sessions on the device."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

from sim.errors import UsageError
from sim.kernels import Kernels
from simaccel.bridge.client.connection import Connection
from simaccel.bridge.client.reader import Reader
from simaccel.bridge.client.session import Opening
from simaccel.bridge.remote import SAME_ON_BOTH_SIDES, NoDeviceError
from simaccel.bridge.wire import Opcode
from simaccel.version import __version__

PATIENCE_S = 10.0
"""How long a device may take to free a slot for a session, and how long it may take to open one."""


class SessionOpener:
    """Opens sessions of one connection, and numbers them. Any thread may call it. Every call blocks."""

    def __init__(self, address: str, connection: Connection, reader: Reader) -> None:
        self._address = address
        self._connection = connection
        self._reader = reader
        self._ids = count(1)

    def open(self, op: str, material: bytes | None, params: dict[str, Any]) -> int:
        """Opens a session and returns its number.

        Raises NoDeviceError if the device does not answer, and UsageError if it refuses or the key is too large.
        """
        number, opening = self._ask(op, material, params)
        if not self._is_open(opening):
            raise unknown_kernel(self._address, op)
        return number

    def open_keyless(self, kernels: Kernels) -> dict[str, int]:
        """Opens a session for each kernel that takes no key. Returns their numbers by the kernels' names, without those
        that the device does not know, because it is of an older version.

        Done when the client connects, so that no request has to wait for it.
        """
        asked = {op: self._ask(op, None, {}) for op, kernel in kernels.by_name.items() if kernel.load is None}
        return {op: number for op, (number, opening) in asked.items() if self._is_open(opening)}

    def _ask(self, op: str, material: bytes | None, params: dict[str, Any]) -> tuple[int, Opening]:
        plain = {name: {"hex": bytes(v).hex()} if isinstance(v, bytes | bytearray) else v for name, v in params.items()}
        asked = json.dumps({"kernel": op, "keyed": material is not None, "params": plain}).encode()
        if len(material or b"") + len(asked) > self._connection.rings.layout.slot_bytes:
            raise UsageError(f"a key of {len(material or b''):,} bytes: connect with larger slot_bytes")
        connection, opening = self._connection, Opening()
        number = next(self._ids)
        while not connection.push(opening, Opcode.SESSION_OPEN, number, material or b"", asked):
            if connection.interrupt.masked:
                connection.poll(0)
            if not self._reader.wait_for(self._may_push, PATIENCE_S):
                raise NoDeviceError(f"the device at {self._address} has freed no slot for {PATIENCE_S:.0f} s")
        return number, opening

    def _may_push(self) -> bool:
        connection = self._connection
        to_poll_for = connection.interrupt.masked and connection.completions.entries
        return connection.free_slots > 0 or connection.gate.refusal is not None or bool(to_poll_for)

    def _is_open(self, opening: Opening) -> bool:
        """Waits for the device's answer. False if it refuses."""
        if not self._reader.wait_for(opening.answered.is_set, PATIENCE_S):
            raise NoDeviceError(f"the device at {self._address} does not answer")
        if opening.status and self._connection.gate.refusal is not None:
            raise NoDeviceError(f"the device at {self._address} went away")
        return not opening.status


def unknown_kernel(address: str, op: str) -> UsageError:
    """The error about a device that opens no session for a kernel that we have."""
    return UsageError(
        f"the device at {address} opens no session for {op!r}, and simaccel {__version__} can: {SAME_ON_BOTH_SIDES}"
    )
