"""Keys on their way into the device process, and the sessions that stand for them here."""

from __future__ import annotations

import threading
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from sim.errors import UsageError
from sim.kernels import Kernel
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


def material_bytes(local: Session, key: object) -> bytes:
    """Key material as it goes over: a private key as PKCS #8 in the clear, whatever it came as, all else as it is.

    `local` is the session with it that was opened here, and with that all is done that takes long, to decrypt the key
    and to check its numbers: while the device loads a key, nobody else is served.
    """
    loaded: Any = getattr(local.key, "key", local.key)  # those with parameters hold theirs
    if local.kernel.asymmetric:
        der: bytes = loaded.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return der
    if isinstance(key, bytes | bytearray | memoryview):
        return bytes(key)
    raise UsageError(f"key of type {type(key).__name__}: give bytes")


def loaded_material(kernel: Kernel, material: bytearray) -> object:
    """The other side of `material_bytes`. Raises UsageError, whose text never shows any of it."""
    if not kernel.asymmetric:
        return bytes(material)
    try:
        return load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"key of {len(material)} bytes: {type(error).__name__}") from None
