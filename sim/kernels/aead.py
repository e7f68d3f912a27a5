"""Authenticated encryption: AES-GCM (SP 800-38D) and ChaCha20-Poly1305 (RFC 8439).

The aux is the nonce of 12 bytes, followed by the additional data of any length. Encrypting gives the ciphertext,
followed by the tag of 16 bytes; decrypting takes the same. If the tag does not match, the request fails on the device
(`cryptography.exceptions.InvalidTag`), because that is the fault of the peer and not of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords
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


_SEALED = ("plaintext", "ciphertext and tag")
_OPENED = ("ciphertext and tag", "plaintext")


def _kernel(
    name: str, run: Callable[[bytes, bytes, Any], bytes], load: Callable[..., Any], turns: tuple[str, str], key: str
) -> Kernel:
    words = KernelWords(*turns, key=key, aux="nonce of 12 bytes, then the additional data")
    return Kernel(name, run, load=load, check=_check, words=words)


_AES, _CHACHA = "16, 24 or 32 bytes", "32 bytes"
AES_GCM_ENCRYPT = _kernel("aes-gcm-encrypt", _encrypt, _load_aes, _SEALED, _AES)
AES_GCM_DECRYPT = _kernel("aes-gcm-decrypt", _decrypt, _load_aes, _OPENED, _AES)
CHACHA20_POLY1305_ENCRYPT = _kernel("chacha20-poly1305-encrypt", _encrypt, _load_chacha, _SEALED, _CHACHA)
CHACHA20_POLY1305_DECRYPT = _kernel("chacha20-poly1305-decrypt", _decrypt, _load_chacha, _OPENED, _CHACHA)

KERNELS = (AES_GCM_ENCRYPT, AES_GCM_DECRYPT, CHACHA20_POLY1305_ENCRYPT, CHACHA20_POLY1305_DECRYPT)
