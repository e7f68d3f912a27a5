"""The schemes of the wire (padding, digest, salt), as objects of `cryptography`."""

from __future__ import annotations

from functools import lru_cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed

from simaccel.bridge.wire import SCHEME, Digest, Padding

_HASHES: dict[int, hashes.HashAlgorithm] = {
    Digest.SHA1: hashes.SHA1(),
    Digest.SHA224: hashes.SHA224(),
    Digest.SHA256: hashes.SHA256(),
    Digest.SHA384: hashes.SHA384(),
    Digest.SHA512: hashes.SHA512(),
    Digest.SHA512_224: hashes.SHA512_224(),
    Digest.SHA512_256: hashes.SHA512_256(),
    Digest.SHA3_224: hashes.SHA3_224(),
    Digest.SHA3_256: hashes.SHA3_256(),
    Digest.SHA3_384: hashes.SHA3_384(),
    Digest.SHA3_512: hashes.SHA3_512(),
}

# ECDSA signs the bytes of a digest, and it does not matter which hash made them. But `cryptography` needs a hash of
# that length.
_ECDSA_BY_LENGTH = {
    algorithm.digest_size: ECDSA(Prehashed(algorithm))
    for algorithm in (hashes.SHA1(), hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
}


class UnsupportedScheme(Exception):
    """A padding or digest that the device does not do."""


def _hash(number: int) -> hashes.HashAlgorithm:
    try:
        return _HASHES[number]
    except KeyError:
        raise UnsupportedScheme(f"digest {number}") from None


# The same few schemes come again and again. The cache is bounded, because a hostile client may send any.
@lru_cache(maxsize=256)
def rsa_signing(aux: bytes) -> tuple[AsymmetricPadding, Prehashed | NoDigestInfo]:
    """The padding and the algorithm for a signature over a digest. Raises UnsupportedScheme."""
    if len(aux) != SCHEME.size:
        raise UnsupportedScheme(f"scheme of {len(aux)} bytes")
    padding, digest, mgf1, salt_len = SCHEME.unpack(aux)
    if padding == Padding.PKCS1:
        return PKCS1v15(), Prehashed(_hash(digest)) if digest else NoDigestInfo()
    if padding == Padding.PSS and salt_len >= 0:
        return PSS(MGF1(_hash(mgf1)), salt_len), Prehashed(_hash(digest))
    raise UnsupportedScheme(f"padding {padding}")


@lru_cache(maxsize=256)
def rsa_decryption(aux: bytes) -> AsymmetricPadding:
    """The padding for a decryption. The OAEP label follows the scheme in the aux. Raises UnsupportedScheme."""
    if len(aux) < SCHEME.size:
        raise UnsupportedScheme(f"scheme of {len(aux)} bytes")
    padding, digest, mgf1, _ = SCHEME.unpack_from(aux)
    if padding != Padding.OAEP:
        raise UnsupportedScheme(f"padding {padding}")
    return OAEP(MGF1(_hash(mgf1)), _hash(digest), aux[SCHEME.size :] or None)


def ecdsa_signing(digest_bytes: int) -> ECDSA:
    """The algorithm for a signature over a digest of that length. Raises UnsupportedScheme."""
    try:
        return _ECDSA_BY_LENGTH[digest_bytes]
    except KeyError:
        raise UnsupportedScheme(f"digest of {digest_bytes} bytes") from None
