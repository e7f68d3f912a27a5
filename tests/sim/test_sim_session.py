"""Sessions: keys in every form, what is refused, and that no key material ever shows."""

from __future__ import annotations

import dataclasses
import traceback
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, padding, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from sim.errors import UsageError
from sim.kernels import Kernel, Kernels
from sim.session import Session, check_session
from tests.keys import rsa_key

KERNELS = Kernels()
RSA_KEY = rsa_key()
SECRET = b"correct horse battery staple 32b"


def _encoded(key: Any, encoding: Encoding, form: PrivateFormat, password: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    encoded: bytes = key.private_bytes(encoding, form, encryption)
    return encoded


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_rsa_keys_load_from_pem_and_der(encoding: Encoding, form: PrivateFormat) -> None:
    kernel = KERNELS.get("rsa-sign")
    session = Session.open(kernel, _encoded(RSA_KEY, encoding, form))
    signature = kernel.run(b"message", b"", session.key)
    RSA_KEY.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("password", [b"secret", "secret"])
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("ecdsa-sign", ec.generate_private_key(ec.SECP384R1())),
        ("ecdh", ec.generate_private_key(ec.SECP256R1())),
        ("ed25519-sign", ed25519.Ed25519PrivateKey.generate()),
        ("x25519", x25519.X25519PrivateKey.generate()),
        ("ml-dsa-65-sign", mldsa.MLDSA65PrivateKey.generate()),
        ("ml-kem-768-decapsulate", mlkem.MLKEM768PrivateKey.generate()),
    ],
)
def test_encrypted_keys_load_with_their_password(name: str, key: Any, encoding: Encoding, password: Any) -> None:
    material = _encoded(key, encoding, PrivateFormat.PKCS8, b"secret")
    assert Session.open(KERNELS.get(name), material, password=password).kernel.name == name
    with pytest.raises(UsageError, match="Password was not given"):
        Session.open(KERNELS.get(name), material)
    with pytest.raises(UsageError, match="can't be loaded"):
        Session.open(KERNELS.get(name), material, password=b"wrong")
    with pytest.raises(UsageError, match="password of type int: give bytes or text"):
        Session.open(KERNELS.get(name), material, password=5)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_symmetric_keys_may_be_anything_bytes_like(wrap: Any) -> None:
    for name in ("hmac", "aes-gcm-encrypt", "chacha20-poly1305-encrypt"):
        assert Session.open(KERNELS.get(name), wrap(SECRET)).key is not None


def test_a_key_changed_after_opening_changes_nothing() -> None:
    material = bytearray(SECRET)
    kernel = KERNELS.get("hmac")
    session = Session.open(kernel, material)
    before = kernel.run(b"data", b"", session.key)
    material[:] = bytes(32)
    assert kernel.run(b"data", b"", session.key) == before


def test_ids_count_up_and_equality_is_identity() -> None:
    first, second = (Session.open(KERNELS.get("hmac"), SECRET) for _ in range(2))
    assert second.id == first.id + 1
    assert first != second
    assert len({first, second}) == 2


def test_a_session_is_immutable() -> None:
    session = Session.open(KERNELS.get("hmac"), SECRET)
    with pytest.raises(dataclasses.FrozenInstanceError):
        session.key = None  # type: ignore[misc]
    assert not hasattr(session, "__dict__")


def test_the_repr_shows_kernel_and_id_alone() -> None:
    kernel = Kernel("plain", lambda payload, aux, key: b"", load=lambda material: material)
    session = Session.open(kernel, SECRET)
    assert repr(session) == f"<Session {session.id} of plain>"


@pytest.mark.parametrize("name", [name for name in KERNELS.names() if KERNELS.get(name).load is not None])
def test_no_error_shows_key_material(name: str) -> None:
    for material in (SECRET + b"!", SECRET.decode() + "!", [SECRET], {"key": SECRET}):
        try:
            Session.open(KERNELS.get(name), material)
        except UsageError as error:
            shown = "".join(traceback.format_exception_only(error)) + repr(error.args)
            assert "horse" not in shown
            assert SECRET.hex() not in shown
        else:
            assert name == "hmac"
            assert isinstance(material, bytes)


@pytest.mark.parametrize("name", ["null", "echo", "sha256"])
def test_a_kernel_without_a_key_opens_no_session(name: str) -> None:
    with pytest.raises(UsageError, match=f"kernel '{name}' takes no key: submit without a session"):
        Session.open(KERNELS.get(name), SECRET)


def test_unknown_parameters_are_refused_with_those_there_are() -> None:
    with pytest.raises(
        UsageError, match=r"parameters of kernel 'rsa-sign': .*'hsh'; it takes hash, prehashed, password"
    ):
        Session.open(KERNELS.get("rsa-sign"), RSA_KEY, hsh="sha256")
    with pytest.raises(UsageError, match=r"'hash'; it takes none"):
        Session.open(KERNELS.get("aes-gcm-encrypt"), SECRET, hash="sha256")


def test_a_session_fits_its_own_kernel_alone() -> None:
    hmac, encrypt, sha256 = (KERNELS.get(name) for name in ("hmac", "aes-gcm-encrypt", "sha256"))
    session = Session.open(hmac, SECRET)
    check_session(hmac, session)
    check_session(sha256, None)
    with pytest.raises(UsageError, match="kernel 'hmac' needs a key: open a session"):
        check_session(hmac, None)
    with pytest.raises(UsageError, match=r"<Session \d+ of hmac> can't run kernel 'aes-gcm-encrypt'"):
        check_session(encrypt, session)
    with pytest.raises(UsageError, match=r"kernel 'sha256' takes no key: submit without <Session"):
        check_session(sha256, session)
    with pytest.raises(UsageError, match="session of type bytes: give what `session"):
        check_session(hmac, SECRET)  # type: ignore[arg-type]


def test_a_session_does_not_survive_a_replaced_kernel() -> None:
    kernels = Kernels()
    session = Session.open(kernels.get("hmac"), SECRET)
    replaced = Kernel("hmac", lambda payload, aux, key: b"", load=lambda material: material)
    kernels.add(replaced, replace=True)
    with pytest.raises(UsageError, match="open a session for 'hmac'"):
        check_session(kernels.get("hmac"), session)
