"""Keys on their way into the device process, and the sessions that stand for them here."""

from __future__ import annotations

import threading
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sim.errors import UsageError
from sim.session import Session


class RemoteSession:
    """A key loaded into the device process, for one connection. As `sim.Session`, which it was checked as here."""

    __slots__ = ("__weakref__", "connection", "id", "local")

    def __init__(self, local: Session, connection: object, number: int) -> None:
        self.local = local
        self.connection = connection
        self.id = number

    def __repr__(self) -> str:
        return f"<RemoteSession {self.id} of {self.local.kernel.name}>"


class Opening:
    """A session on its way."""

    __slots__ = ("answered", "status")

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.status = 0


def material_bytes(key: object) -> bytes:
    """Key material as it goes over: bytes as they are, a private key of `cryptography` as PKCS #8."""
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key)
    export: Any = getattr(key, "private_bytes", None)
    if export is None:
        raise UsageError(f"key of type {type(key).__name__}: give bytes, or a private key of cryptography")
    der: bytes = export(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return der
