"""RSA keys that tests share.

To make a key takes from 0.02 to 3 s of CPU time, at random, and hundreds of tests only need any valid key. So these are
keys that NIST has published with its test vectors.
"""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.sim.sim_vector_files import private_key, records

PUBLISHED = "asymmetric/RSA/FIPS_186-2/SigGen15_186-2.txt"


@cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """The key of this size: 1024, 1536, 2048, 3072 or 4096 bits."""
    numbers: dict[str, int] = {}
    for record in records(PUBLISHED):
        if record["SECTION"] == f"mod = {bits}" and len(numbers) < 3:
            numbers |= {name: int(record[name], 16) for name in "NED" if name in record}
    return private_key(numbers["N"], numbers["E"], numbers["D"])


def rsa_bytes(bits: int = 2048, encoding: Encoding = Encoding.PEM) -> bytes:
    """That key as PKCS #8."""
    return rsa_key(bits).private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
