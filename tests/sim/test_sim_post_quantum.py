"""ML-DSA and ML-KEM: published vectors, what a caller may get wrong, and what a peer may."""

from __future__ import annotations

import hashlib
from itertools import islice
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import mldsa, mlkem, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography_vectors import open_vector_file

from sim import UsageError
from tests.sim.sim_vector_files import counted, run

MLDSA: dict[int, tuple[Any, Any]] = {
    44: (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
    65: (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
    87: (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
}
MLKEM: dict[int, Any] = {768: mlkem.MLKEM768PrivateKey, 1024: mlkem.MLKEM1024PrivateKey}
SIGNATURE_BYTES = {44: 2420, 65: 3309, 87: 4627}
KEM_VECTORS = 100
"""Of the 1,000 that the file has. All of them pass; they take some seconds."""


def mu_of(public: bytes, message: bytes, context: bytes) -> bytes:
    """FIPS 204, algorithm 7, lines 6 and 7, and algorithm 2, line 10."""
    tr = hashlib.shake_256(public).digest(64)
    return hashlib.shake_256(tr + bytes([0, len(context)]) + context + message).digest(64)


@pytest.mark.parametrize("size", MLDSA)
def test_ml_dsa_signatures_verify_with_the_published_keys(size: int) -> None:
    """The published signatures are deterministic and ours are hedged, so the bytes differ. What verifies one must
    verify the other, and the seed must give the published public key."""
    private_class, public_class = MLDSA[size]
    seen = 0
    for record in counted(f"asymmetric/MLDSA/kat_MLDSA_{size}_det_pure.rsp"):
        seed, message, context = (bytes.fromhex(record[name]) for name in ("xi", "msg", "ctx"))
        published, public_bytes = bytes.fromhex(record["sm"])[: SIGNATURE_BYTES[size]], bytes.fromhex(record["pk"])
        public = public_class.from_public_bytes(public_bytes)
        assert private_class.from_seed_bytes(seed).public_key() == public
        mu = mu_of(public_bytes, message, context)
        ours = run(f"ml-dsa-{size}-sign", message, context, seed)
        of_mu = run(f"ml-dsa-{size}-sign", mu, material=seed, external_mu=True)
        for signature in (published, ours, of_mu):
            public.verify(signature, message, context)
        with pytest.raises(InvalidSignature):
            public.verify(ours, message, context + b"!")
        seen += 1
    assert seen == 100


@pytest.mark.parametrize("size", MLKEM)
def test_ml_kem_decapsulates_as_published_also_what_was_damaged(size: int) -> None:
    seen = 0
    for record in islice(counted(f"asymmetric/MLKEM/kat_MLKEM_{size}.rsp"), KEM_VECTORS):
        seed = bytes.fromhex(record["d"] + record["z"])
        name = f"ml-kem-{size}-decapsulate"
        assert run(name, bytes.fromhex(record["ct"]), material=seed).hex() == record["ss"]
        assert run(name, bytes.fromhex(record["ct_n"]), material=seed).hex() == record["ss_n"]
        public = bytes.fromhex(record["pk"])
        sealed = run(f"ml-kem-{size}-encapsulate", public)
        assert run(name, sealed[:-32], material=seed) == sealed[-32:]
        seen += 1
    assert seen == KEM_VECTORS


@pytest.mark.parametrize("size", MLDSA)
def test_keys_may_be_objects_pem_der_or_seeds(size: int) -> None:
    key = MLDSA[size][0].generate()
    forms = [key.private_bytes(form, PrivateFormat.PKCS8, NoEncryption()) for form in (Encoding.PEM, Encoding.DER)]
    for material in (key, *forms, key.private_bytes_raw(), bytearray(key.private_bytes_raw())):
        signature = run(f"ml-dsa-{size}-sign", b"message", b"context", material)
        assert len(signature) == SIGNATURE_BYTES[size]
        key.public_key().verify(signature, b"message", b"context")


def test_hedged_signatures_of_one_message_differ() -> None:
    seed = bytes(32)
    assert run("ml-dsa-44-sign", b"m", material=seed) != run("ml-dsa-44-sign", b"m", material=seed)


NO_SEED = "asymmetric/MLDSA/mldsa65_noseed_priv.der"


@pytest.mark.parametrize(
    ("name", "key", "params", "message"),
    [
        ("ml-dsa-65-sign", bytes(31), {}, "ml-dsa-65-sign key of 31 bytes can't be loaded"),
        ("ml-dsa-65-sign", bytes(32), {"password": b"x"}, "a raw key is not encrypted"),
        ("ml-dsa-65-sign", bytes(32), {"external_mu": "no"}, "external_mu='no': use True or False"),
        ("ml-dsa-65-sign", bytes(32), {"hash": "sha256"}, "it takes external_mu, password"),
        ("ml-dsa-65-sign", "no seed", {}, "ml-dsa-65-sign key of 4060 bytes can't be loaded"),
        ("ml-dsa-65-sign", mldsa.MLDSA44PrivateKey.generate(), {}, "give an ML-DSA-65 private key"),
        ("ml-dsa-44-sign", mldsa.MLDSA44PrivateKey.generate().public_key(), {}, "give an ML-DSA-44 private key"),
        ("ml-dsa-87-sign", rsa.generate_private_key(65537, 2048), {}, "give an ML-DSA-87 private key"),
        ("ml-kem-768-decapsulate", bytes(32), {}, "ml-kem-768-decapsulate key of 32 bytes can't be loaded"),
        ("ml-kem-768-decapsulate", mlkem.MLKEM1024PrivateKey.generate(), {}, "give an ML-KEM-768 private key"),
        ("ml-kem-1024-encapsulate", bytes(64), {}, "takes no key"),
    ],
)
def test_bad_keys_and_parameters_are_refused(name: str, key: Any, params: dict[str, Any], message: str) -> None:
    if key == "no seed":
        with open_vector_file(NO_SEED, "rb") as file:
            key = file.read()
    with pytest.raises(UsageError) as caught:
        run(name, b"", material=key, **params)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "key_class", "seed"),
    [
        ("ml-dsa-44-sign", mldsa.MLDSA44PrivateKey, bytes(32)),
        ("ml-kem-768-decapsulate", mlkem.MLKEM768PrivateKey, bytes(64)),
    ],
)
def test_a_cryptography_without_the_algorithm_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, name: str, key_class: Any, seed: bytes
) -> None:
    """As those are that a distribution links to its own OpenSSL 3.0."""

    def refuse(seed: bytes) -> None:
        raise UnsupportedAlgorithm("not supported by this backend")

    monkeypatch.setattr(key_class, "from_seed_bytes", refuse)
    with pytest.raises(
        UsageError, match=f"{name}: this cryptography can't do it .*; install one from PyPI, 50 or later"
    ):
        run(name, b"", material=seed)


@pytest.mark.parametrize(
    ("name", "payload", "aux", "params", "message"),
    [
        ("ml-dsa-44-sign", b"m", bytes(256), {}, "context string of 256 bytes: use at most 255"),
        ("ml-dsa-44-sign", bytes(63), b"", {"external_mu": True}, "mu of 63 bytes: it has 64"),
        ("ml-dsa-44-sign", bytes(64), b"c", {"external_mu": True}, "mu includes it already"),
        (
            "ml-kem-768-encapsulate",
            bytes(1183),
            b"",
            None,
            "of 1183 bytes: ml-kem-768-encapsulate takes 1184 raw bytes",
        ),
        ("ml-kem-1024-encapsulate", bytes(1184), b"", None, "takes 1568 raw bytes"),
        ("ml-kem-768-encapsulate", bytes(1184), b"x", None, "this kernel takes none"),
    ],
)
def test_a_bad_request_is_refused(name: str, payload: bytes, aux: bytes, params: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(name, payload, aux, None if params is None else bytes(32), **(params or {}))


def test_the_longest_context_is_one_of_255_bytes() -> None:
    key = mldsa.MLDSA44PrivateKey.generate()
    key.public_key().verify(run("ml-dsa-44-sign", b"m", bytes(255), key), b"m", bytes(255))


@pytest.mark.parametrize("size", MLKEM)
def test_what_a_peer_gets_wrong_fails_on_the_device(size: int) -> None:
    key = MLKEM[size].generate()
    _, ciphertext = key.public_key().encapsulate()
    # Of a wrong length; and coefficients above the modulus, see FIPS 203, 7.2.
    requests = [(f"ml-kem-{size}-decapsulate", wrong, key) for wrong in (b"", ciphertext[:-1], ciphertext + b"\0")]
    requests.append((f"ml-kem-{size}-encapsulate", b"\xff" * len(key.public_key().public_bytes_raw()), None))
    for name, payload, material in requests:
        with pytest.raises(ValueError, match=r".") as caught:
            run(name, payload, material=material)
        assert not isinstance(caught.value, UsageError)
