"""ML-KEM (FIPS 203), in the sizes 768 and 1024: encapsulate a shared secret for a peer, and decapsulate it.

Encapsulation has no key of its own. The payload is the peer's public key, which is new in each handshake. The result is
the ciphertext for the peer, followed by the shared secret of 32 bytes. The secret is new each time.

Decapsulation has a session with the private key; the payload is the peer's ciphertext. A damaged ciphertext is no
failure: as FIPS 203 demands ("implicit rejection"), the result is then a secret that the peer does not know. A
ciphertext of a wrong length fails the request on the device, because it comes from a peer.

A key is kept as its seed of 64 bytes. `cryptography` loads no key that has lost its seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import (
    MLKEM768PrivateKey,
    MLKEM768PublicKey,
    MLKEM1024PrivateKey,
    MLKEM1024PublicKey,
)

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords, no_aux
from sim.kernels.material import private_key, raw_private_bytes

MlkemPrivateKey: TypeAlias = MLKEM768PrivateKey | MLKEM1024PrivateKey

SECRET_BYTES = 32
_SEED_BYTES = 64


@dataclass(frozen=True, slots=True)
class _Size:
    """What belongs to one size of ML-KEM."""

    title: str
    private: type[MlkemPrivateKey]
    public: type[MLKEM768PublicKey] | type[MLKEM1024PublicKey]
    public_bytes: int
    ciphertext_bytes: int

    @property
    def name(self) -> str:
        return self.title.lower()


ML_KEM_768 = _Size("ML-KEM-768", MLKEM768PrivateKey, MLKEM768PublicKey, 1184, 1088)
ML_KEM_1024 = _Size("ML-KEM-1024", MLKEM1024PrivateKey, MLKEM1024PublicKey, 1568, 1568)


def _check_public(size: _Size, payload: bytes, aux: bytes, key: Any) -> None:
    no_aux(payload, aux, key)
    if len(payload) != size.public_bytes:
        raise UsageError(
            f"peer's public key of {len(payload)} bytes: {size.name}-encapsulate takes {size.public_bytes} raw bytes"
        )


def _encapsulate(size: _Size, payload: bytes, aux: bytes, key: Any) -> bytes:
    secret, ciphertext = size.public.from_public_bytes(payload).encapsulate()
    return ciphertext + secret


def _load(size: _Size, material: object, *, password: object = None) -> MlkemPrivateKey:
    kernel = f"{size.name}-decapsulate"

    def wanted(key: object) -> TypeGuard[MlkemPrivateKey]:
        return isinstance(key, size.private)

    raw = raw_private_bytes(material, kernel, _SEED_BYTES, password)
    if raw is None:
        return private_key(material, kernel, wanted, f"an {size.title}", password)
    try:
        return size.private.from_seed_bytes(raw)
    except UnsupportedAlgorithm as error:
        raise UsageError(
            f"{kernel}: this cryptography can't do it ({error}); install one from PyPI, 50 or later"
        ) from None


def _decapsulate(payload: bytes, aux: bytes, key: MlkemPrivateKey) -> bytes:
    return key.decapsulate(payload)


def _kernels(size: _Size) -> tuple[Kernel, Kernel]:
    encapsulate = KernelWords(
        f"the peer's public key, {size.public_bytes:,} bytes",
        f"the ciphertext, {size.ciphertext_bytes:,} bytes, then the shared secret, {SECRET_BYTES} bytes",
    )
    decapsulate = KernelWords(
        f"the peer's ciphertext, {size.ciphertext_bytes:,} bytes",
        f"the shared secret, {SECRET_BYTES} bytes",
        key=size.title,
    )
    return (
        Kernel(
            f"{size.name}-encapsulate",
            partial(_encapsulate, size),
            check=partial(_check_public, size),
            asymmetric=True,
            words=encapsulate,
        ),
        Kernel(
            f"{size.name}-decapsulate",
            _decapsulate,
            load=partial(_load, size),
            check=no_aux,
            asymmetric=True,
            words=decapsulate,
        ),
    )


KERNELS = (*_kernels(ML_KEM_768), *_kernels(ML_KEM_1024))
