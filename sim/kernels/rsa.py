"""RSA with the private key (RFC 8017): sign with PKCS #1 v1.5 or PSS, decrypt with OAEP.

Signing takes the message, or with prehashed=True its digest. A ciphertext that can't be decrypted fails the request on
the device, whatever its length, because it comes from a peer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeGuard

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords, no_aux
from sim.kernels.material import flag, hash_algorithm, private_key, raw_bytes

# RFC 8017, 9.2: the DigestInfo around the digest (19 bytes for SHA-2, fewer for SHA-1) and 11 or more bytes of padding.
_PKCS1_OVERHEAD_BYTES = 30


@dataclass(frozen=True, slots=True)
class RsaSigner:
    """A loaded key with everything that a signature needs. `digest_bytes` is None unless the payload is a digest."""

    key: RSAPrivateKey
    padding: AsymmetricPadding
    algorithm: hashes.HashAlgorithm | Prehashed
    digest_bytes: int | None


@dataclass(frozen=True, slots=True)
class RsaDecryptor:
    """A loaded key with its padding."""

    key: RSAPrivateKey
    padding: OAEP


def _is_rsa(key: object) -> TypeGuard[RSAPrivateKey]:
    return isinstance(key, RSAPrivateKey)


def _load_pkcs1(
    material: object,
    *,
    hash: object = "sha256",  # noqa: A002 - the field's word
    prehashed: object = False,
    password: object = None,
) -> RsaSigner:
    key = private_key(material, "rsa-sign", _is_rsa, "an RSA", password)
    algorithm = hash_algorithm(hash)
    if _size_bytes(key) < algorithm.digest_size + _PKCS1_OVERHEAD_BYTES:
        raise UsageError(f"rsa-sign key of {key.key_size} bits is too short for {hash!r}: use a longer key")
    return _signer(key, PKCS1v15(), algorithm, flag("prehashed", prehashed))


def _load_pss(
    material: object,
    *,
    hash: object = "sha256",  # noqa: A002 - the field's word
    salt_length: object = "digest",
    prehashed: object = False,
    password: object = None,
) -> RsaSigner:
    key = private_key(material, "rsa-sign-pss", _is_rsa, "an RSA", password)
    algorithm = hash_algorithm(hash)
    salt_bytes = _salt_bytes(salt_length, key, algorithm)
    return _signer(key, PSS(MGF1(algorithm), salt_bytes), algorithm, flag("prehashed", prehashed))


def _salt_bytes(salt_length: object, key: RSAPrivateKey, algorithm: hashes.HashAlgorithm) -> int:
    # RFC 8017, 9.1.1: the encoded message, one bit shorter than the modulus, holds digest, salt and two more bytes.
    room_bytes = (key.key_size - 1 + 7) // 8 - algorithm.digest_size - 2
    if salt_length == "digest":
        salt_bytes = algorithm.digest_size
    elif salt_length == "max":
        salt_bytes = room_bytes
    elif isinstance(salt_length, int) and not isinstance(salt_length, bool) and salt_length >= 0:
        salt_bytes = salt_length
    else:
        raise UsageError(f"salt_length={salt_length!r}: use 'digest', 'max' or a number of bytes, 0 or more")
    if not 0 <= salt_bytes <= room_bytes:
        raise UsageError(
            f"salt_length={salt_length!r} does not fit an RSA key of {key.key_size} bits with {algorithm.name}: "
            f"{'use at most ' + str(room_bytes) if room_bytes >= 0 else 'use a longer key'}"
        )
    return salt_bytes


def _signer(
    key: RSAPrivateKey, padding: AsymmetricPadding, algorithm: hashes.HashAlgorithm, prehashed: bool
) -> RsaSigner:
    if prehashed:
        return RsaSigner(key, padding, Prehashed(algorithm), algorithm.digest_size)
    return RsaSigner(key, padding, algorithm, None)


def _check_sign(payload: bytes, aux: bytes, key: RsaSigner) -> None:
    no_aux(payload, aux, key)
    if key.digest_bytes is not None and len(payload) != key.digest_bytes:
        raise UsageError(f"digest of {len(payload)} bytes: the session's hash has {key.digest_bytes}")


def _sign(payload: bytes, aux: bytes, key: RsaSigner) -> bytes:
    return key.key.sign(payload, key.padding, key.algorithm)


def _load_oaep(
    material: object,
    *,
    hash: object = "sha256",  # noqa: A002 - the field's word
    mgf1_hash: object = None,
    label: object = b"",
    password: object = None,
) -> RsaDecryptor:
    key = private_key(material, "rsa-decrypt", _is_rsa, "an RSA", password)
    algorithm = hash_algorithm(hash)
    mgf1 = MGF1(algorithm if mgf1_hash is None else hash_algorithm(mgf1_hash))
    if _size_bytes(key) < 2 * algorithm.digest_size + 2:
        raise UsageError(f"rsa-decrypt key of {key.key_size} bits is too short for {hash!r}: use a longer key")
    return RsaDecryptor(key, OAEP(mgf1, algorithm, raw_bytes(label, "rsa-decrypt label") or None))


def _decrypt(payload: bytes, aux: bytes, key: RsaDecryptor) -> bytes:
    return key.key.decrypt(payload, key.padding)


def _size_bytes(key: RSAPrivateKey) -> int:
    return (key.key_size + 7) // 8


_PKCS1 = KernelWords("message, or its digest", "a PKCS #1 v1.5 signature", key="RSA")
_PSS = KernelWords("message, or its digest", "a PSS signature", key="RSA")
_OAEP = KernelWords("ciphertext", "the message, without its OAEP padding", key="RSA")

RSA_SIGN = Kernel("rsa-sign", _sign, load=_load_pkcs1, check=_check_sign, asymmetric=True, words=_PKCS1)
RSA_SIGN_PSS = Kernel("rsa-sign-pss", _sign, load=_load_pss, check=_check_sign, asymmetric=True, words=_PSS)
RSA_DECRYPT = Kernel("rsa-decrypt", _decrypt, load=_load_oaep, check=no_aux, asymmetric=True, words=_OAEP)

KERNELS = (RSA_SIGN, RSA_SIGN_PSS, RSA_DECRYPT)
