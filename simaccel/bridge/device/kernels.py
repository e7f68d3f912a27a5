"""The kernels that do the provider's operations.

They differ from those of `sim.kernels` in their keys: the provider loads a private key once, without a scheme, and says
with each request which padding and digest to use.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from zlib import crc32

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from sim.kernels import Kernel
from simaccel.bridge.device.schemes import ecdsa_signing, rsa_decryption, rsa_signing
from simaccel.bridge.wire import CHECKSUM_WORD, Opcode

_X25519_KEY_BYTES = 32
_ML_KEM_SEED_BYTES = 64


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


def _ml_dsa_sign(payload: bytes, aux: bytes, key: Any) -> bytes:
    """The payload is mu, which represents public key, context string and message. The client has hashed them."""
    signature: bytes = key.sign_mu(payload)
    return signature


def _ml_kem_768_decapsulate(payload: bytes, aux: bytes, key: Any) -> bytes:
    """The payload is the seed of our private key, and the ciphertext."""
    return MLKEM768PrivateKey.from_seed_bytes(payload[:_ML_KEM_SEED_BYTES]).decapsulate(payload[_ML_KEM_SEED_BYTES:])


def _ml_kem_1024_decapsulate(payload: bytes, aux: bytes, key: Any) -> bytes:
    """The payload is the seed of our private key, and the ciphertext."""
    return MLKEM1024PrivateKey.from_seed_bytes(payload[:_ML_KEM_SEED_BYTES]).decapsulate(payload[_ML_KEM_SEED_BYTES:])


def _null(payload: bytes, aux: bytes, key: Any) -> bytes:
    return b""


def _echo(payload: bytes, aux: bytes, key: Any) -> bytes:
    return payload


PROVIDER_KERNELS: dict[int, tuple[Kernel, type | None]] = {
    Opcode.NULL: (Kernel("null", _null), None),
    Opcode.ECHO: (Kernel("echo", _echo), None),
    Opcode.RSA_SIGN: (Kernel("rsa-sign", _rsa_sign, asymmetric=True), RSAPrivateKey),
    Opcode.RSA_DECRYPT: (Kernel("rsa-decrypt", _rsa_decrypt, asymmetric=True), RSAPrivateKey),
    Opcode.ECDSA_SIGN: (Kernel("ecdsa-sign", _ecdsa_sign, asymmetric=True), EllipticCurvePrivateKey),
    Opcode.ED25519_SIGN: (Kernel("ed25519-sign", _ed25519_sign, asymmetric=True), Ed25519PrivateKey),
    Opcode.X25519: (Kernel("x25519", _x25519, asymmetric=True), None),
    Opcode.ML_DSA_44_SIGN: (Kernel("ml-dsa-44-sign", _ml_dsa_sign, asymmetric=True), MLDSA44PrivateKey),
    Opcode.ML_DSA_65_SIGN: (Kernel("ml-dsa-65-sign", _ml_dsa_sign, asymmetric=True), MLDSA65PrivateKey),
    Opcode.ML_DSA_87_SIGN: (Kernel("ml-dsa-87-sign", _ml_dsa_sign, asymmetric=True), MLDSA87PrivateKey),
    Opcode.ML_KEM_768_DECAPSULATE: (
        Kernel("ml-kem-768-decapsulate", _ml_kem_768_decapsulate, asymmetric=True),
        None,
    ),
    Opcode.ML_KEM_1024_DECAPSULATE: (
        Kernel("ml-kem-1024-decapsulate", _ml_kem_1024_decapsulate, asymmetric=True),
        None,
    ),
}
"""For each opcode: the kernel, and the class that its key must have, or None if it takes no key."""


@cache
def sealed(kernel: Kernel) -> Kernel:
    """The same kernel, whose result is followed by the CRC-32 of payload, aux and result.

    The kernel itself computes the checksum, from what it was given. So the client notices any damage on the way to the
    kernel or back, even if an injected fault has caused it.
    """

    def run(payload: bytes, aux: bytes, key: Any) -> bytes:
        result = kernel.run(payload, aux, key)
        return result + CHECKSUM_WORD.pack(crc32(result, crc32(aux, crc32(payload))))

    return Kernel(kernel.name, run, asymmetric=kernel.asymmetric)


SEALED_KERNELS: dict[int, tuple[Kernel, type | None]] = {
    opcode: (sealed(kernel), key_class) for opcode, (kernel, key_class) in PROVIDER_KERNELS.items()
}
"""The same with sealed kernels, for requests that want a checksum."""
