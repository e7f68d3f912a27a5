"""Kernels without a key or with a plain secret: null, echo, the SHA-2 hashes and HMAC.

`hashlib` releases the GIL for more than 2,047 bytes, so large hashes run in parallel with the application.
"""

from __future__ import annotations

import hashlib
from typing import Any

from cryptography.hazmat.primitives.hmac import HMAC

from sim.errors import UsageError
from sim.kernels.kernel import Kernel, KernelWords, no_aux
from sim.kernels.material import hash_algorithm, raw_bytes

_sha256 = hashlib.sha256
_sha384 = hashlib.sha384
_sha512 = hashlib.sha512


# One of these runs for each request. So each is one plain function, and the hash constructors are names of the module,
# which saves an attribute look-up.
def _run_null(payload: bytes, aux: bytes, key: Any) -> bytes:
    return b""


def _run_echo(payload: bytes, aux: bytes, key: Any) -> bytes:
    return payload


def _run_sha256(payload: bytes, aux: bytes, key: Any) -> bytes:
    return _sha256(payload).digest()


def _run_sha384(payload: bytes, aux: bytes, key: Any) -> bytes:
    return _sha384(payload).digest()


def _run_sha512(payload: bytes, aux: bytes, key: Any) -> bytes:
    return _sha512(payload).digest()


def _load_hmac(material: object, *, hash: object = "sha256") -> HMAC:  # noqa: A002 - the field's word
    secret = raw_bytes(material, "hmac")
    if not secret:
        raise UsageError("hmac key of 0 bytes: give at least one byte")
    return HMAC(secret, hash_algorithm(hash))


def _run_hmac(payload: bytes, aux: bytes, key: HMAC) -> bytes:
    # The loaded context has already processed the key. For 100 bytes, a copy of it costs 0.6 us, and hmac.new with the
    # key 1.5 us.
    context = key.copy()
    context.update(payload)
    return context.finalize()


_HASH = KernelWords("data", "the digest")
_TAG = KernelWords("data", "the tag", key="bytes, one or more")

NULL = Kernel("null", _run_null, words=KernelWords("anything", "nothing"))
ECHO = Kernel("echo", _run_echo, words=KernelWords("anything", "the payload"))
SHA256 = Kernel("sha256", _run_sha256, check=no_aux, words=_HASH)
SHA384 = Kernel("sha384", _run_sha384, check=no_aux, words=_HASH)
SHA512 = Kernel("sha512", _run_sha512, check=no_aux, words=_HASH)
HMAC_KERNEL = Kernel("hmac", _run_hmac, load=_load_hmac, check=no_aux, words=_TAG)

KERNELS = (NULL, ECHO, SHA256, SHA384, SHA512, HMAC_KERNEL)
