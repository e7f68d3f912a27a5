"""Elliptic curves with the private key: ECDSA (FIPS 186), Ed25519 (RFC 8032), X25519 (RFC 7748) and ECDH.

The payload of a key agreement is the peer's public key. The result is the raw shared secret, without key derivation.
A peer's key in a wrong encoding is the caller's mistake, and `prepare` refuses it. If the key is not a point of the
curve, or gives a secret of zeros, the request fails on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeGuard

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords, no_aux
from sim.kernels.material import flag, hash_algorithm, private_key, raw_private_bytes

_RAW_KEY_BYTES = 32
_UNCOMPRESSED_POINT = 4


@dataclass(frozen=True, slots=True)
class EcdsaSigner:
    """A loaded key with its hash. `digest_bytes` is None unless the payload is a digest."""

    key: ec.EllipticCurvePrivateKey
    scheme: ec.ECDSA
    digest_bytes: int | None


def _is_ec(key: object) -> TypeGuard[ec.EllipticCurvePrivateKey]:
    return isinstance(key, ec.EllipticCurvePrivateKey)


def _is_ed25519(key: object) -> TypeGuard[Ed25519PrivateKey]:
    return isinstance(key, Ed25519PrivateKey)


def _is_x25519(key: object) -> TypeGuard[X25519PrivateKey]:
    return isinstance(key, X25519PrivateKey)


def _load_ecdsa(
    material: object,
    *,
    hash: object = "sha256",  # noqa: A002 - the field's word
    prehashed: object = False,
    password: object = None,
) -> EcdsaSigner:
    key = private_key(material, "ecdsa-sign", _is_ec, "an EC", password)
    algorithm = hash_algorithm(hash)
    if flag("prehashed", prehashed):
        return EcdsaSigner(key, ec.ECDSA(Prehashed(algorithm)), algorithm.digest_size)
    return EcdsaSigner(key, ec.ECDSA(algorithm), None)


def _check_ecdsa(payload: bytes, aux: bytes, key: EcdsaSigner) -> None:
    no_aux(payload, aux, key)
    if key.digest_bytes is not None and len(payload) != key.digest_bytes:
        raise UsageError(f"digest of {len(payload)} bytes: the session's hash has {key.digest_bytes}")


def _sign_ecdsa(payload: bytes, aux: bytes, key: EcdsaSigner) -> bytes:
    return key.key.sign(payload, key.scheme)


def _load_ed25519(material: object, *, password: object = None) -> Ed25519PrivateKey:
    raw = raw_private_bytes(material, "ed25519-sign", _RAW_KEY_BYTES, password)
    if raw is not None:
        return Ed25519PrivateKey.from_private_bytes(raw)
    return private_key(material, "ed25519-sign", _is_ed25519, "an Ed25519", password)


def _sign_ed25519(payload: bytes, aux: bytes, key: Ed25519PrivateKey) -> bytes:
    return key.sign(payload)


def _load_x25519(material: object, *, password: object = None) -> X25519PrivateKey:
    raw = raw_private_bytes(material, "x25519", _RAW_KEY_BYTES, password)
    if raw is not None:
        return X25519PrivateKey.from_private_bytes(raw)
    return private_key(material, "x25519", _is_x25519, "an X25519", password)


def _check_x25519(payload: bytes, aux: bytes, key: Any) -> None:
    no_aux(payload, aux, key)
    if len(payload) != _RAW_KEY_BYTES:
        raise UsageError(f"peer's public key of {len(payload)} bytes: x25519 takes {_RAW_KEY_BYTES} raw bytes")


def _x25519(payload: bytes, aux: bytes, key: X25519PrivateKey) -> bytes:
    return key.exchange(X25519PublicKey.from_public_bytes(payload))


def _load_ecdh(material: object, *, password: object = None) -> ec.EllipticCurvePrivateKey:
    return private_key(material, "ecdh", _is_ec, "an EC", password)


def _check_ecdh(payload: bytes, aux: bytes, key: ec.EllipticCurvePrivateKey) -> None:
    no_aux(payload, aux, key)
    size_bytes = 1 + 2 * ((key.curve.key_size + 7) // 8)
    if len(payload) != size_bytes or payload[0] != _UNCOMPRESSED_POINT:
        raise UsageError(
            f"peer's public key of {len(payload)} bytes: ecdh on {key.curve.name} takes an uncompressed X9.62 point, "
            f"04 and both coordinates, {size_bytes} bytes"
        )


def _ecdh(payload: bytes, aux: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    peer = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, payload)
    return key.exchange(ec.ECDH(), peer)


_ECDSA = KernelWords("message, or its digest", "a signature in DER", key="EC")
_ED25519 = KernelWords("message", "a signature of 64 bytes", key="Ed25519")
_X25519 = KernelWords("the peer's public key, 32 bytes", "the shared secret, 32 bytes", key="X25519")
_ECDH = KernelWords("the peer's public key, an uncompressed point", "the x coordinate of the shared point", key="EC")

ECDSA_SIGN = Kernel("ecdsa-sign", _sign_ecdsa, load=_load_ecdsa, check=_check_ecdsa, asymmetric=True, words=_ECDSA)
ED25519_SIGN = Kernel("ed25519-sign", _sign_ed25519, load=_load_ed25519, check=no_aux, asymmetric=True, words=_ED25519)
X25519 = Kernel("x25519", _x25519, load=_load_x25519, check=_check_x25519, asymmetric=True, words=_X25519)
ECDH = Kernel("ecdh", _ecdh, load=_load_ecdh, check=_check_ecdh, asymmetric=True, words=_ECDH)

KERNELS = (ECDSA_SIGN, ED25519_SIGN, X25519, ECDH)
