"""The kernels behind the provider's operations. As those of `sim.kernels`, but with one key for every scheme: the
provider loads a private key once and says with each request how to use it.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from zlib import crc32

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_private_key

from sim.kernels import Kernel
from simaccel.bridge.device.schemes import ecdsa_signing, rsa_decryption, rsa_signing
from simaccel.bridge.wire import CHECKSUM_WORD, Operation

PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey

_X25519_KEY_BYTES = 32


class UnusableKey(Exception):
    """Key material that is damaged, or of a kind the device does not do. Its text never shows any of it."""


def load_key(der: bytes | bytearray) -> PrivateKey:
    """A private key from the DER that OpenSSL writes. Raises UnusableKey."""
    try:
        # Validating the primes takes 34 ms, during which no client is served, and OpenSSL, where the key comes from,
        # has accepted it. A client that hands over a wrong key gets wrong signatures, and nobody else does.
        key = load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UnusableKey(f"key of {len(der)} bytes: {type(error).__name__}") from None
    if not isinstance(key, PrivateKey):
        raise UnusableKey(f"key of kind {type(key).__name__}")
    return key


def _rsa_sign(payload: bytes, aux: bytes, key: Any) -> bytes:
    padding, algorithm = rsa_signing(aux)
    signature: bytes = key.sign(payload, padding, algorithm)
    return signature


def _rsa_decrypt(payload: bytes, aux: bytes, key: Any) -> bytes:
    plain: bytes = key.decrypt(payload, rsa_decryption(aux))
    return plain


def _ecdsa_sign(payload: bytes, aux: bytes, key: Any) -> bytes:
    signature: bytes = key.sign(payload, ecdsa_signing(len(payload)))
    return signature


def _ed25519_sign(payload: bytes, aux: bytes, key: Any) -> bytes:
    signature: bytes = key.sign(payload)
    return signature


def _x25519(payload: bytes, aux: bytes, key: Any) -> bytes:
    """The payload is our private key and the peer's public one. An all-zero secret raises."""
    if len(payload) != 2 * _X25519_KEY_BYTES:
        raise ValueError(f"x25519 with {len(payload)} bytes of keys")
    private = X25519PrivateKey.from_private_bytes(payload[:_X25519_KEY_BYTES])
    return private.exchange(X25519PublicKey.from_public_bytes(payload[_X25519_KEY_BYTES:]))


def _null(payload: bytes, aux: bytes, key: Any) -> bytes:
    return b""


def _echo(payload: bytes, aux: bytes, key: Any) -> bytes:
    return payload


PROVIDER_KERNELS: dict[int, tuple[Kernel, type | None]] = {
    Operation.NULL: (Kernel("null", _null), None),
    Operation.ECHO: (Kernel("echo", _echo), None),
    Operation.RSA_SIGN: (Kernel("rsa-sign", _rsa_sign, asymmetric=True), RSAPrivateKey),
    Operation.RSA_DECRYPT: (Kernel("rsa-decrypt", _rsa_decrypt, asymmetric=True), RSAPrivateKey),
    Operation.ECDSA_SIGN: (Kernel("ecdsa-sign", _ecdsa_sign, asymmetric=True), EllipticCurvePrivateKey),
    Operation.ED25519_SIGN: (Kernel("ed25519-sign", _ed25519_sign, asymmetric=True), Ed25519PrivateKey),
    Operation.X25519: (Kernel("x25519", _x25519, asymmetric=True), None),
}
"""By operation: the kernel, and the class its key must have; None: it takes no key."""


@cache
def sealed(kernel: Kernel) -> Kernel:
    """The same kernel, with the CRC-32 of payload, aux and result behind its result.

    Computed where the result is, from what the kernel was given: so the client finds out whatever was damaged on the
    way here or back, be it by a fault that was asked for.
    """

    def run(payload: bytes, aux: bytes, key: Any) -> bytes:
        result = kernel.run(payload, aux, key)
        return result + CHECKSUM_WORD.pack(crc32(result, crc32(aux, crc32(payload))))

    return Kernel(kernel.name, run, asymmetric=kernel.asymmetric)


SEALED_KERNELS: dict[int, tuple[Kernel, type | None]] = {
    operation: (sealed(kernel), key) for operation, (kernel, key) in PROVIDER_KERNELS.items()
}
"""The same by operation, for requests that want a checksum."""
