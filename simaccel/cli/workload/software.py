"""The operations in software, and how a result of the device is checked against it.

Nothing is computed here in the way of `sim.kernels`. Hashes that the kernels take from hashlib are computed by
cryptography, and the other way round. AEAD is put together from its cipher and its authenticator. Signatures are
verified with the public key. A shared secret is computed from the peer's side or, with ML-KEM, by the inverse.
"""

from __future__ import annotations

import hmac
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, poly1305
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LARGE_BYTES, MESSAGE_BYTES, OAEP_BYTES = 16 << 10, 256, 128
"""The most that is generated for bulk operations, for messages to be signed, and for what is encrypted with RSA."""

SECRET_BYTES = 32
"""The size of a secret that ML-KEM shares."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """One request, and the software's opinion of its result."""

    payload: bytes
    aux: bytes
    right: Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class SoftwareOperation:
    """An operation of the device with a key, if it takes one.

    `prepare(data, rng)` makes a request of at most `largest_bytes` of data. If that is None, the data may have any
    size, so they may be a block of a file. All draws come from `rng`.
    """

    op: str
    key: Any
    prepare: Callable[[bytes, random.Random], Prepared]
    generated_bytes: int = LARGE_BYTES
    takes_files: bool = True


def draw_bytes(rng: random.Random, size: int) -> bytes:
    """Random bytes by getrandbits alone, whose values are the same in every version of Python."""
    return rng.getrandbits(8 * size).to_bytes(size, "big") if size else b""


def digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    """A hash by cryptography."""
    context = hashes.Hash(algorithm)
    context.update(data)
    return context.finalize()


def _plain(op: str, software: Callable[[bytes], bytes]) -> SoftwareOperation:
    def prepare(data: bytes, rng: random.Random) -> Prepared:
        return Prepared(data, b"", lambda result: result == software(data))

    return SoftwareOperation(op, None, prepare)


def _hmac(op: str, rng: random.Random) -> SoftwareOperation:
    key = draw_bytes(rng, 32)

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        return Prepared(data, b"", lambda result: result == hmac.digest(key, data, "sha256"))

    return SoftwareOperation(op, key, prepare)


_Encrypt = Callable[[bytes, bytes, bytes, bytes], bytes]


def _gcm(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()
    encryptor.authenticate_additional_data(aad)
    return encryptor.update(data) + encryptor.finalize() + encryptor.tag


def _chacha(key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
    """RFC 8439, 2.8: block 0 of the key stream keys the authenticator, the data begins at block 1."""
    stream = Cipher(algorithms.ChaCha20(key, bytes(4) + nonce), None).encryptor()
    authenticator_key = stream.update(bytes(64))[:32]
    ciphertext = stream.update(data)
    sizes = len(aad).to_bytes(8, "little") + len(data).to_bytes(8, "little")
    covered = aad + bytes(-len(aad) % 16) + ciphertext + bytes(-len(data) % 16) + sizes
    return ciphertext + poly1305.Poly1305.generate_tag(authenticator_key, covered)


def _aead(op: str, encrypt: _Encrypt, rng: random.Random) -> SoftwareOperation:
    key = draw_bytes(rng, 32)
    nonces = count(1)

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        nonce = next(nonces).to_bytes(12, "big")
        aad = draw_bytes(rng, 13)  # the size of a TLS record's
        if op.endswith("-decrypt"):
            return Prepared(encrypt(key, nonce, data, aad), nonce + aad, lambda result: result == data)
        return Prepared(data, nonce + aad, lambda result: result == encrypt(key, nonce, data, aad))

    return SoftwareOperation(op, key, prepare)


def _signature(op: str, key: Any, verify: Callable[[bytes, bytes], object]) -> SoftwareOperation:
    def prepare(data: bytes, rng: random.Random) -> Prepared:
        def right(result: bytes) -> bool:
            try:
                verify(result, data)
            except InvalidSignature:
                return False
            return True

        return Prepared(data, b"", right)

    return SoftwareOperation(op, key, prepare, MESSAGE_BYTES)


def _rsa_key() -> rsa.RSAPrivateKey:
    # The seed does not decide the key, because a key that anybody can compute is no secret. What is measured does not
    # depend on the key.
    return rsa.generate_private_key(65537, 2048)


def _rsa_sign(op: str, rng: random.Random) -> SoftwareOperation:
    key = _rsa_key()
    how: padding.AsymmetricPadding = padding.PKCS1v15()
    if op == "rsa-sign-pss":
        how = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    public = key.public_key()
    return _signature(op, key, lambda result, data: public.verify(result, data, how, hashes.SHA256()))


def _rsa_decrypt(op: str, rng: random.Random) -> SoftwareOperation:
    key = _rsa_key()
    public = key.public_key()
    how = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        return Prepared(public.encrypt(data, how), b"", lambda result: result == data)

    return SoftwareOperation(op, key, prepare, OAEP_BYTES, takes_files=False)


def _ecdsa(op: str, rng: random.Random) -> SoftwareOperation:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    return _signature(op, key, lambda result, data: public.verify(result, data, ec.ECDSA(hashes.SHA256())))


def _ed25519(op: str, rng: random.Random) -> SoftwareOperation:
    key = ed25519.Ed25519PrivateKey.generate()
    return _signature(op, key, key.public_key().verify)


def _x25519(op: str, rng: random.Random) -> SoftwareOperation:
    key = x25519.X25519PrivateKey.generate()
    public = key.public_key()

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        peer = x25519.X25519PrivateKey.from_private_bytes(digest(hashes.SHA256(), data))
        return Prepared(peer.public_key().public_bytes_raw(), b"", lambda result: result == peer.exchange(public))

    return SoftwareOperation(op, key, prepare, MESSAGE_BYTES, takes_files=False)


def _ecdh(op: str, rng: random.Random) -> SoftwareOperation:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        # Any number from 1 to the order of the group, which is a little below 2**256, is a private key.
        peer = ec.derive_private_key(1 + int.from_bytes(digest(hashes.SHA256(), data)[1:]), ec.SECP256R1())
        point = peer.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return Prepared(point, b"", lambda result: result == peer.exchange(ec.ECDH(), public))

    return SoftwareOperation(op, key, prepare, MESSAGE_BYTES, takes_files=False)


_MLDSA: dict[str, Any] = {
    "ml-dsa-44-sign": mldsa.MLDSA44PrivateKey,
    "ml-dsa-65-sign": mldsa.MLDSA65PrivateKey,
    "ml-dsa-87-sign": mldsa.MLDSA87PrivateKey,
}
_MLKEM: dict[str, Any] = {"ml-kem-768": mlkem.MLKEM768PrivateKey, "ml-kem-1024": mlkem.MLKEM1024PrivateKey}


def _ml_dsa(op: str, rng: random.Random) -> SoftwareOperation:
    key = _MLDSA[op].generate()
    public = key.public_key()

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        context = draw_bytes(rng, rng.randrange(20))

        def right(result: bytes) -> bool:
            try:
                public.verify(result, data, context)
            except InvalidSignature:
                return False
            return True

        return Prepared(data, context, right)

    return SoftwareOperation(op, key, prepare, MESSAGE_BYTES)


def _ml_kem_encapsulate(op: str, rng: random.Random) -> SoftwareOperation:
    peer = _MLKEM[op.removesuffix("-encapsulate")].generate()
    public = peer.public_key().public_bytes_raw()

    def right(result: bytes) -> bool:
        ciphertext, secret = result[:-SECRET_BYTES], result[-SECRET_BYTES:]
        try:
            return bool(peer.decapsulate(ciphertext) == secret)
        except ValueError:  # a ciphertext of a wrong length
            return False

    return SoftwareOperation(op, None, lambda data, rng: Prepared(public, b"", right), MESSAGE_BYTES, takes_files=False)


def _ml_kem_decapsulate(op: str, rng: random.Random) -> SoftwareOperation:
    key = _MLKEM[op.removesuffix("-decapsulate")].generate()
    public = key.public_key()

    def prepare(data: bytes, rng: random.Random) -> Prepared:
        secret, ciphertext = public.encapsulate()
        return Prepared(ciphertext, b"", lambda result: result == secret)

    return SoftwareOperation(op, key, prepare, MESSAGE_BYTES, takes_files=False)


MAKERS: dict[str, Callable[[str, random.Random], SoftwareOperation]] = {
    "null": lambda op, rng: _plain(op, lambda data: b""),
    "echo": lambda op, rng: _plain(op, lambda data: data),
    "sha256": lambda op, rng: _plain(op, lambda data: digest(hashes.SHA256(), data)),
    "sha384": lambda op, rng: _plain(op, lambda data: digest(hashes.SHA384(), data)),
    "sha512": lambda op, rng: _plain(op, lambda data: digest(hashes.SHA512(), data)),
    "hmac": _hmac,
    "aes-gcm-encrypt": lambda op, rng: _aead(op, _gcm, rng),
    "aes-gcm-decrypt": lambda op, rng: _aead(op, _gcm, rng),
    "chacha20-poly1305-encrypt": lambda op, rng: _aead(op, _chacha, rng),
    "chacha20-poly1305-decrypt": lambda op, rng: _aead(op, _chacha, rng),
    "rsa-sign": _rsa_sign,
    "rsa-sign-pss": _rsa_sign,
    "rsa-decrypt": _rsa_decrypt,
    "ecdsa-sign": _ecdsa,
    "ed25519-sign": _ed25519,
    "x25519": _x25519,
    "ecdh": _ecdh,
    **dict.fromkeys(_MLDSA, _ml_dsa),
    **{f"{name}-encapsulate": _ml_kem_encapsulate for name in _MLKEM},
    **{f"{name}-decapsulate": _ml_kem_decapsulate for name in _MLKEM},
}
"""For each operation, the function that makes its SoftwareOperation, with a key of its own."""
