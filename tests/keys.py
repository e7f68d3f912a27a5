"""RSA keys that tests share.

To make a key takes from 0.02 to 1 s of CPU time, at random, and hundreds of tests only need any valid key.
"""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of this size: one for all tests of this process."""
    return rsa.generate_private_key(65537, bits)


def rsa_bytes(bits: int = 2048, encoding: Encoding = Encoding.PEM) -> bytes:
    """That key as PKCS #8."""
    return rsa_key(bits).private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
