"""ML-DSA signatures (FIPS 204), in the three sizes 44, 65 and 87. They are hedged: each draws fresh randomness.

The aux of a request is its context string, of at most 255 bytes; without an aux it is empty. With external_mu=True the
payload is not the message, but the 64 bytes of mu, the message representative. FIPS 204 calls this ExternalMu-ML-DSA.
The context string is already in mu, so there is no aux.

A key is kept as its seed of 32 bytes. `cryptography` loads no key that has lost its seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeGuard

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords
from sim.kernels.material import flag, private_key, raw_private_bytes

MldsaPrivateKey: TypeAlias = MLDSA44PrivateKey | MLDSA65PrivateKey | MLDSA87PrivateKey

CONTEXT_BYTES = 255
"""The longest context string."""

MU_BYTES = 64
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class MldsaSigner:
    """A loaded key, and whether the payload is mu instead of the message."""

    key: MldsaPrivateKey
    external_mu: bool


def _load(
    kernel: str,
    title: str,
    key_class: type[MldsaPrivateKey],
    material: object,
    *,
    external_mu: object = False,
    password: object = None,
) -> MldsaSigner:
    def wanted(key: object) -> TypeGuard[MldsaPrivateKey]:
        return isinstance(key, key_class)

    raw = raw_private_bytes(material, kernel, _SEED_BYTES, password)
    if raw is None:
        key = private_key(material, kernel, wanted, f"an {title}", password)
    else:
        key = _of_seed(kernel, key_class.from_seed_bytes, raw)
    return MldsaSigner(key, flag("external_mu", external_mu))


def _of_seed(kernel: str, from_seed: Callable[[bytes], MldsaPrivateKey], seed: bytes) -> MldsaPrivateKey:
    try:
        return from_seed(seed)
    except UnsupportedAlgorithm as error:
        raise UsageError(
            f"{kernel}: this cryptography can't do it ({error}); install one from PyPI, 50 or later"
        ) from None


def _check(payload: bytes, aux: bytes, key: MldsaSigner) -> None:
    if not key.external_mu:
        if len(aux) > CONTEXT_BYTES:
            raise UsageError(f"context string of {len(aux)} bytes: use at most {CONTEXT_BYTES}")
        return
    if len(payload) != MU_BYTES:
        raise UsageError(f"mu of {len(payload)} bytes: it has {MU_BYTES}")
    if aux:
        raise UsageError(f"context string of {len(aux)} bytes: mu includes it already; leave it out")


def _sign(payload: bytes, aux: bytes, key: MldsaSigner) -> bytes:
    return key.key.sign_mu(payload) if key.external_mu else key.key.sign(payload, aux)


def _kernel(size: int, key_class: type[MldsaPrivateKey], signature_bytes: int) -> Kernel:
    name, title = f"ml-dsa-{size}-sign", f"ML-DSA-{size}"
    words = KernelWords(
        "message, or its mu",
        f"a signature of {signature_bytes:,} bytes",
        key=title,
        aux=f"the context string, at most {CONTEXT_BYTES} bytes",
    )
    return Kernel(name, _sign, load=partial(_load, name, title, key_class), check=_check, asymmetric=True, words=words)


KERNELS = (
    _kernel(44, MLDSA44PrivateKey, 2420),
    _kernel(65, MLDSA65PrivateKey, 3309),
    _kernel(87, MLDSA87PrivateKey, 4627),
)
