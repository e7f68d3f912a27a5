"""Key material: what a caller gives as a key, turned into the object that a kernel uses.

Every error names the kernel, what is wrong, and the cure. None shows key material, not even its first byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeGuard, TypeVar

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from sim.errors import UsageError

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha1": hashes.SHA1,
    "sha224": hashes.SHA224,
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}

Key = TypeVar("Key")


def hash_algorithm(name: object) -> hashes.HashAlgorithm:
    """The hash of that name. Raises UsageError for any other."""
    algorithm = _HASHES.get(name) if isinstance(name, str) else None
    if algorithm is None:
        raise UsageError(f"hash {name!r}: use one of {', '.join(_HASHES)}")
    return algorithm()


def flag(name: str, value: object) -> bool:
    """`value`, if it is True or False. Raises UsageError otherwise, because text such as 'no' would count as true."""
    if not isinstance(value, bool):
        raise UsageError(f"{name}={value!r}: use True or False")
    return value


def raw_bytes(material: object, kernel: str) -> bytes:
    """A symmetric key as bytes. Raises UsageError if it is not bytes-like."""
    if isinstance(material, bytes | bytearray | memoryview):
        return bytes(material)
    raise UsageError(f"{kernel} key of type {type(material).__name__}: give the key as bytes")


def sized_key(material: object, kernel: str, sizes_bytes: tuple[int, ...]) -> bytes:
    """A symmetric key of one of the sizes given. Raises UsageError."""
    key = raw_bytes(material, kernel)
    if len(key) not in sizes_bytes:
        sizes = " or ".join(str(size) for size in sizes_bytes)
        raise UsageError(f"{kernel} key of {len(key)} bytes: give {sizes} bytes")
    return key


def raw_private_bytes(material: object, kernel: str, size_bytes: int, password: object) -> bytes | None:
    """A private key in the raw form of its standard: a number or a seed of exactly that size.

    None if the material has another length, as PEM and DER always have. Raises UsageError if there is a password.
    """
    if not isinstance(material, bytes | bytearray | memoryview) or len(material) != size_bytes:
        return None
    if password is not None:
        raise UsageError(f"{kernel} password: a raw key is not encrypted; leave the password out")
    return bytes(material)


def private_key(
    material: object, kernel: str, wanted: Callable[[object], TypeGuard[Key]], kind: str, password: object = None
) -> Key:
    """A private key of the wanted kind, from the key object itself or from PEM or DER bytes (PKCS#8 or traditional).

    `wanted(key)` says whether a key is of the wanted kind. It is a function, because mypy does not accept an abstract
    class such as RSAPrivateKey as type[Key]. `password` is bytes or str, for encrypted PEM or DER only. Raises
    UsageError.
    """
    if wanted(material):
        if password is not None:
            raise UsageError(f"{kernel} password: a key object is not encrypted; leave the password out")
        return material
    if not isinstance(material, bytes | bytearray | memoryview):
        raise UsageError(
            f"{kernel} key of type {type(material).__name__}: "
            f"give {kind} private key of cryptography, or PEM or DER bytes"
        )
    data = bytes(material)
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        # Loading also checks the key (unsafe_skip_rsa_key_validation is off). This is done once for each session.
        key: object = load(data, _password(kernel, password))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # For a wrong, a missing or an unneeded password cryptography raises ValueError or TypeError, with a clear
        # message.
        reason = str(error).split(". ")[0].rstrip(".")
        raise UsageError(
            f"{kernel} key of {len(data)} bytes can't be loaded ({reason}): give {kind} private key as PEM or DER"
        ) from error
    if not wanted(key):
        raise UsageError(f"{kernel} key is a {type(key).__name__}: give {kind} private key")
    return key


def _password(kernel: str, password: object) -> bytes | None:
    if password is None or isinstance(password, bytes):
        return password
    if isinstance(password, str):
        return password.encode()
    raise UsageError(f"{kernel} password of type {type(password).__name__}: give bytes or text")
