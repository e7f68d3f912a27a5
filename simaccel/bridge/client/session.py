"""Sessions of a Python client: a key that was loaded into the device process."""

from __future__ import annotations

import threading
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sim.errors import UsageError
from sim.session import Session


class RemoteSession:
    """A key loaded into the device process, for one connection. It was checked here as a `sim.Session` first."""

    __slots__ = ("__weakref__", "connection", "id", "local")

    def __init__(self, local: Session, connection: object, number: int) -> None:
        self.local = local
        self.connection = connection
        self.id = number

    def __repr__(self) -> str:
        return f"<RemoteSession {self.id} of {self.local.kernel.name}>"


class Opening:
    """A session that the device was asked to open and has not answered for yet."""

    __slots__ = ("answered", "status")

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.status = 0


def material_bytes(local: Session, key: object) -> bytes:
    """Key material as the device gets it: a private key as unencrypted PKCS #8, anything else as it is.

    `local` is the session that was opened here with the same key. Opening it has decrypted the key and checked its
    numbers, which takes long. So the device need do neither: it serves no client while it loads a key. Raises
    UsageError if the key is neither bytes nor a private key.
    """
    loaded: Any = getattr(local.key, "key", local.key)  # a key with parameters is wrapped
    if local.kernel.asymmetric:
        der: bytes = loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return der
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key)
    raise UsageError(f"key of type {type(key).__name__}: give bytes")
