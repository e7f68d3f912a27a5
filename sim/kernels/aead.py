"""Authenticated encryption: AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439).

The aux is the nonce of 12 bytes, followed by the additional data of any length. Encrypting gives the ciphertext,
followed by the tag of 16 bytes; decrypting takes the same. If the tag does not match, the request fails on the device
(`cryptography.exceptions.InvalidTag`), because that is the fault of the peer and not of the caller.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from sim.errors import UsageError
from sim.kernels.kernel import Kernel
from sim.kernels.material import sized_key

NONCE_BYTES = 12


def _load_aes(material: object) -> AESGCM:
    return AESGCM(sized_key(material, "aes-gcm", (16, 24, 32)))


def _load_chacha(material: object) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(sized_key(material, "chacha20-poly1305", (32,)))


def _check(payload: bytes, aux: bytes, key: Any) -> None:
    if len(aux) < NONCE_BYTES:
        raise UsageError(
            f"aux of {len(aux)} bytes: give the nonce of {NONCE_BYTES} bytes, then the additional data if there is any"
        )


def _encrypt(payload: bytes, aux: bytes, key: AESGCM | ChaCha20Poly1305) -> bytes:
    return key.encrypt(aux[:NONCE_BYTES], payload, aux[NONCE_BYTES:])


def _decrypt(payload: bytes, aux: bytes, key: AESGCM | ChaCha20Poly1305) -> bytes:
    return key.decrypt(aux[:NONCE_BYTES], payload, aux[NONCE_BYTES:])


AES_GCM_ENCRYPT = Kernel("aes-gcm-encrypt", _encrypt, load=_load_aes, check=_check)
AES_GCM_DECRYPT = Kernel("aes-gcm-decrypt", _decrypt, load=_load_aes, check=_check)
CHACHA20_POLY1305_ENCRYPT = Kernel("chacha20-poly1305-encrypt", _encrypt, load=_load_chacha, check=_check)
CHACHA20_POLY1305_DECRYPT = Kernel("chacha20-poly1305-decrypt", _decrypt, load=_load_chacha, check=_check)

KERNELS = (AES_GCM_ENCRYPT, AES_GCM_DECRYPT, CHACHA20_POLY1305_ENCRYPT, CHACHA20_POLY1305_DECRYPT)
