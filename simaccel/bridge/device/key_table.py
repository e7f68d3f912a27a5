"""The keys and sessions of one client."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from sim.errors import SimError, UsageError
from sim.kernels import Kernel, Kernels
from sim.session import Session, check_session
from simaccel.bridge.wire import CHECKSUM_WORD, CompletionStatus

_LOADABLE = (
    RSAPrivateKey,
    EllipticCurvePrivateKey,
    Ed25519PrivateKey,
    MLDSA44PrivateKey,
    MLDSA65PrivateKey,
    MLDSA87PrivateKey,
)
"""The types of keys that the provider loads."""

MAX_KEYS = 65_536
"""How many keys and sessions one client may have."""


class KeyTable:
    """Private keys of the provider, and sessions of Python clients, by the client's own ids.

    Belongs to the server's thread. While a key is loaded no client is served. So the client does what takes long before
    it sends the key: it decrypts the key and checks its numbers.
    """

    __slots__ = ("by_id",)

    def __init__(self) -> None:
        self.by_id: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self.by_id)

    def load(self, key_id: int, der: bytearray, *, has_checksum: bool) -> CompletionStatus:
        """Loads a private key from DER as OpenSSL writes it, and wipes `der`. Returns the request's status."""
        try:
            if has_checksum:
                sum_off = len(der) - CHECKSUM_WORD.size
                if sum_off < 0 or CHECKSUM_WORD.unpack_from(der, sum_off)[0] != crc32(memoryview(der)[:sum_off]):
                    return CompletionStatus.FAILED
                del der[sum_off:]
            key = _private_key(der)
        except UsageError:
            return CompletionStatus.UNSUPPORTED
        finally:
            der[:] = bytes(len(der))
        if not isinstance(key, _LOADABLE):
            return CompletionStatus.UNSUPPORTED
        return self._keep(key_id, key)

    def open_session(self, session_id: int, asked: bytes, material: bytearray, kernels: Kernels) -> CompletionStatus:
        """Opens a session with key material, and wipes `material`. Returns the request's status.

        `asked` is JSON: the kernel's name, whether there is key material, and the parameters of its load.
        """
        try:
            wanted = json.loads(asked)
            kernel = kernels.get(wanted["kernel"])
            if not wanted["keyed"]:
                check_session(kernel, None)
                return self._keep(session_id, kernel)
            params = {
                name: bytes.fromhex(v["hex"]) if isinstance(v, dict) else v for name, v in wanted["params"].items()
            }
            return self._keep(session_id, Session.open(kernel, _loaded(kernel, material), **params))
        except (SimError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return CompletionStatus.UNSUPPORTED
        finally:
            material[:] = bytes(len(material))

    def forget(self, key_id: int) -> None:
        """The client does not use that key or session any more. Does nothing if there is none."""
        self.by_id.pop(key_id, None)

    def clear(self) -> None:
        """Forgets everything."""
        self.by_id.clear()

    def _keep(self, key_id: int, key: Any) -> CompletionStatus:
        if len(self.by_id) >= MAX_KEYS:
            return CompletionStatus.FAILED
        self.by_id[key_id] = key
        return CompletionStatus.OK


def _loaded(kernel: Kernel, material: bytearray) -> object:
    """Key material in the form that a session of the kernel takes, from the bytes of
    `client.session.material_bytes`."""
    return _private_key(material) if kernel.asymmetric else bytes(material)


def _private_key(der: bytearray) -> object:
    """Raises UsageError, whose text never shows any of the key."""
    try:
        # To validate the primes takes 34 ms, during which no client is served, and the client has already accepted the
        # key. A client that sends a wrong key gets wrong signatures, but other clients do not.
        return load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"key of {len(der)} bytes: {type(error).__name__}") from None
