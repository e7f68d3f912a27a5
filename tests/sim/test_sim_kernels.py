"""The registry, what a caller may get wrong, and what fails on the device instead."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, x25519
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import UnknownKernelError, UsageError
from sim.kernels import BUILT_IN, Kernel, Kernels
from tests.keys import rsa_key
from tests.sim.sim_vector_files import run

RSA_KEY = rsa_key()
SMALL_RSA_KEY = rsa_key(1024)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
NONCE = bytes(12)

NAMES = [
    "aes-gcm-decrypt",
    "aes-gcm-encrypt",
    "chacha20-poly1305-decrypt",
    "chacha20-poly1305-encrypt",
    "ecdh",
    "ecdsa-sign",
    "echo",
    "ed25519-sign",
    "hmac",
    "ml-dsa-44-sign",
    "ml-dsa-65-sign",
    "ml-dsa-87-sign",
    "ml-kem-1024-decapsulate",
    "ml-kem-1024-encapsulate",
    "ml-kem-768-decapsulate",
    "ml-kem-768-encapsulate",
    "null",
    "rsa-decrypt",
    "rsa-sign",
    "rsa-sign-pss",
    "sha256",
    "sha384",
    "sha512",
    "x25519",
]


def test_all_built_in_kernels_are_there() -> None:
    assert Kernels().names() == NAMES
    assert sorted(kernel.name for kernel in BUILT_IN) == NAMES


def test_public_key_cryptography_counts_as_asymmetric() -> None:
    asymmetric = {kernel.name for kernel in BUILT_IN if kernel.asymmetric}
    assert asymmetric == {name for name in NAMES if name.startswith(("rsa", "ec", "ed", "x2", "ml")) and name != "echo"}


def test_kernels_with_a_key_say_so() -> None:
    keyless = {kernel.name for kernel in BUILT_IN if kernel.load is None}
    encapsulations = {"ml-kem-768-encapsulate", "ml-kem-1024-encapsulate"}
    assert keyless == {"null", "echo", "sha256", "sha384", "sha512"} | encapsulations


@given(st.binary(max_size=4096))
def test_keyless_kernels_compute_what_they_say(payload: bytes) -> None:
    assert run("null", payload) == b""
    assert run("echo", payload) == payload
    for name in ("sha256", "sha384", "sha512"):
        assert run(name, payload) == hashlib.new(name, payload).digest()


@pytest.mark.parametrize("name", ["aes-gcm", "chacha20-poly1305"])
@given(payload=st.binary(max_size=512), nonce=st.binary(min_size=12, max_size=12), aad=st.binary(max_size=64))
def test_aead_round_trips_and_binds_its_additional_data(name: str, payload: bytes, nonce: bytes, aad: bytes) -> None:
    key = bytes(32)
    sealed = run(f"{name}-encrypt", payload, nonce + aad, key)
    assert len(sealed) == len(payload) + 16
    assert run(f"{name}-decrypt", sealed, nonce + aad, key) == payload
    with pytest.raises(InvalidTag):
        run(f"{name}-decrypt", sealed, nonce + aad + b"!", key)


@pytest.mark.parametrize("name", ["aes-gcm-encrypt", "aes-gcm-decrypt", "chacha20-poly1305-encrypt"])
def test_an_aux_too_short_for_a_nonce_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="aux of 11 bytes: give the nonce of 12 bytes"):
        run(name, bytes(32), bytes(11), bytes(32))


def test_a_ciphertext_shorter_than_a_tag_fails_on_the_device() -> None:
    with pytest.raises(InvalidTag):
        run("aes-gcm-decrypt", bytes(15), NONCE, bytes(32))


@pytest.mark.parametrize("name", ["sha256", "sha384", "sha512"])
def test_an_aux_nobody_reads_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="aux of 1 bytes: this kernel takes none"):
        run(name, b"data", b"x")


@pytest.mark.parametrize("prehashed", [False, True])
def test_rsa_pkcs1v15_of_a_message_or_its_digest(prehashed: bool) -> None:
    payload = hashlib.sha384(b"message").digest() if prehashed else b"message"
    signature = run("rsa-sign", payload, material=RSA_KEY, hash="sha384", prehashed=prehashed)
    RSA_KEY.public_key().verify(signature, b"message", padding.PKCS1v15(), hashes.SHA384())


@pytest.mark.parametrize("prehashed", [False, True])
@pytest.mark.parametrize(("salt_length", "salt_bytes"), [("digest", 32), ("max", 222), (0, 0), (100, 100)])
def test_rsa_pss_salt_lengths(salt_length: str | int, salt_bytes: int, prehashed: bool) -> None:
    payload = hashlib.sha256(b"message").digest() if prehashed else b"message"
    signature = run("rsa-sign-pss", payload, material=RSA_KEY, salt_length=salt_length, prehashed=prehashed)
    scheme = padding.PSS(padding.MGF1(hashes.SHA256()), salt_bytes)
    RSA_KEY.public_key().verify(signature, b"message", scheme, hashes.SHA256())


@pytest.mark.parametrize("prehashed", [False, True])
def test_ecdsa_of_a_message_or_its_digest(prehashed: bool) -> None:
    digest = hashlib.sha512(b"message").digest()
    signature = run(
        "ecdsa-sign", digest if prehashed else b"message", material=EC_KEY, hash="sha512", prehashed=prehashed
    )
    EC_KEY.public_key().verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA512())))


@pytest.mark.parametrize(("name", "key"), [("rsa-sign", RSA_KEY), ("rsa-sign-pss", RSA_KEY), ("ecdsa-sign", EC_KEY)])
def test_a_digest_of_another_size_is_refused(name: str, key: object) -> None:
    with pytest.raises(UsageError, match="digest of 31 bytes: the session's hash has 32"):
        run(name, bytes(31), material=key, prehashed=True)


@pytest.mark.parametrize("payload", [b"", bytes(255), bytes(256), b"\xff" * 256])
def test_a_bad_rsa_ciphertext_fails_on_the_device(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        run("rsa-decrypt", payload, material=RSA_KEY)
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize("payload", [b"", bytes(31), bytes(33)])
def test_an_x25519_peer_of_another_size_is_refused(payload: bytes) -> None:
    with pytest.raises(UsageError, match="x25519 takes 32 raw bytes"):
        run("x25519", payload, material=bytes(range(32)))


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_keys_of_25519_may_be_raw(wrap: Callable[[bytes], Any]) -> None:
    secret, peer = (x25519.X25519PrivateKey.generate() for _ in range(2))
    shared = run("x25519", peer.public_key().public_bytes_raw(), material=wrap(secret.private_bytes_raw()))
    assert shared == peer.exchange(secret.public_key())
    signer = ed25519.Ed25519PrivateKey.generate()
    assert run("ed25519-sign", b"m", material=wrap(signer.private_bytes_raw())) == signer.sign(b"m")


def test_an_all_zero_x25519_secret_fails_on_the_device() -> None:
    with pytest.raises(ValueError, match="shared key") as caught:
        run("x25519", bytes(32), material=bytes(range(32)))
    assert not isinstance(caught.value, UsageError)


@pytest.mark.parametrize("payload", [b"", bytes(65), b"\x04" + bytes(63), b"\x02" + bytes(32), b"\x04" + bytes(96)])
def test_an_ecdh_peer_in_another_encoding_is_refused(payload: bytes) -> None:
    with pytest.raises(UsageError, match=r"uncompressed X9\.62 point, 04 and both coordinates, 65 bytes"):
        run("ecdh", payload, material=EC_KEY)


@pytest.mark.parametrize(
    ("name", "key", "params", "message"),
    [
        ("hmac", b"k", {"hash": "md5"}, "hash 'md5': use one of sha1, sha224, sha256"),
        ("hmac", b"k", {"hash": None}, "hash None: use one of"),
        ("hmac", b"", {}, "hmac key of 0 bytes: give at least one byte"),
        ("hmac", "key", {}, "hmac key of type str: give the key as bytes"),
        ("aes-gcm-encrypt", bytes(15), {}, "aes-gcm key of 15 bytes: give 16 or 24 or 32 bytes"),
        ("chacha20-poly1305-decrypt", bytes(16), {}, "chacha20-poly1305 key of 16 bytes: give 32 bytes"),
        ("rsa-sign", RSA_KEY, {"prehashed": "no"}, "prehashed='no': use True or False"),
        ("rsa-sign", EC_KEY, {}, "give an RSA private key"),
        ("rsa-sign", RSA_KEY.public_key(), {}, "give an RSA private key"),
        ("rsa-sign", b"not a key", {}, "rsa-sign key of 9 bytes can't be loaded"),
        ("rsa-sign", RSA_KEY, {"password": b"x"}, "a key object is not encrypted"),
        ("rsa-sign-pss", RSA_KEY, {"salt_length": -1}, "salt_length=-1: use 'digest', 'max' or a number"),
        ("rsa-sign-pss", RSA_KEY, {"salt_length": True}, "salt_length=True: use 'digest', 'max' or a number"),
        ("rsa-sign-pss", RSA_KEY, {"salt_length": "auto"}, "salt_length='auto': use 'digest', 'max' or"),
        (
            "rsa-sign-pss",
            RSA_KEY,
            {"salt_length": 223},
            "does not fit an RSA key of 2048 bits with sha256: use at most 222",
        ),
        ("rsa-sign-pss", SMALL_RSA_KEY, {"hash": "sha512"}, "of 1024 bits with sha512: use at most 62"),
        ("rsa-decrypt", SMALL_RSA_KEY, {"hash": "sha512"}, "of 1024 bits is too short for 'sha512'"),
        ("rsa-decrypt", RSA_KEY, {"label": "text"}, "rsa-decrypt label"),
        ("ed25519-sign", bytes(31), {}, "ed25519-sign key of 31 bytes can't be loaded"),
        ("x25519", bytes(32), {"password": "x"}, "a raw key is not encrypted"),
        ("x25519", ed25519.Ed25519PrivateKey.generate(), {}, "give an X25519 private key"),
        ("ed25519-sign", x25519.X25519PrivateKey.generate(), {}, "give an Ed25519 private key"),
        ("ecdh", RSA_KEY, {}, "give an EC private key"),
    ],
)
def test_bad_keys_and_parameters_are_refused(name: str, key: object, params: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run(name, b"", material=key, **params)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_gets_close_matches_and_the_cure() -> None:
    with pytest.raises(UnknownKernelError, match="no kernel 'sha265': did you mean 'sha256'") as caught:
        Kernels().get("sha265")
    assert "register(name, function)" in str(caught.value)


@pytest.mark.parametrize("name", ["", "zzz", None, 3, ["sha256"]])
def test_any_other_name_is_unknown(name: Any) -> None:
    with pytest.raises(UnknownKernelError, match="the kernels are aes-gcm-decrypt"):
        Kernels().get(name)


def test_a_registered_function_is_a_kernel_of_this_registry_alone() -> None:
    kernels = Kernels()
    kernel = kernels.register("reverse", lambda payload: payload[::-1])
    assert kernels.get("reverse") is kernel
    assert kernel.run(b"abc", b"", None) == b"cba"
    assert kernel.load is None
    assert "reverse" in kernels.names()
    assert "reverse" not in Kernels().names()


def test_a_name_taken_is_refused_unless_replaced() -> None:
    kernels = Kernels()
    before = kernels.get("echo")
    with pytest.raises(UsageError, match="kernel 'echo' exists already: choose another name, or give replace=True"):
        kernels.register("echo", bytes)
    assert kernels.get("echo") is before
    replaced = kernels.register("echo", bytes, replace=True)
    assert kernels.get("echo") is replaced


@pytest.mark.parametrize("name", ["", " ", "a b", "a=b", "a;b", "-x", "x\n", None, 3])
def test_a_bad_name_is_refused(name: Any) -> None:
    kernels = Kernels()
    with pytest.raises(UsageError, match="use letters, digits"):
        kernels.register(name, bytes)
    assert kernels.names() == NAMES


@pytest.mark.parametrize("function", [None, b"bytes", 3])
def test_what_can_not_be_called_is_refused(function: Any) -> None:
    with pytest.raises(UsageError, match="give a function from bytes to bytes"):
        Kernels().register("mine", function)


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview])
def test_what_is_bytes_like_comes_back_as_bytes(wrap: Callable[[bytes], bytes]) -> None:
    result = Kernels().register("mine", wrap).run(b"abc", b"", None)
    assert type(result) is bytes
    assert result == b"abc"


@pytest.mark.parametrize("value", [None, "text", 5, [1]])
def test_a_result_that_is_not_bytes_fails_on_the_device(value: Any) -> None:
    kernel = Kernels().register("mine", lambda payload: value)
    with pytest.raises(TypeError, match=f"kernel 'mine' returned {type(value).__name__}: a kernel returns bytes"):
        kernel.run(b"", b"", None)


def test_what_a_function_raises_comes_through() -> None:
    def broken(payload: bytes) -> bytes:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        Kernels().register("broken", broken).run(b"", b"", None)


def test_a_kernel_made_by_hand_may_have_a_key() -> None:
    kernels = Kernels()
    xor = Kernel(
        "xor", lambda payload, aux, key: bytes(byte ^ key for byte in payload), load=lambda material: material[0]
    )
    assert kernels.add(xor) is xor
    assert xor.load is not None
    with pytest.raises(UsageError, match="exists already"):
        kernels.add(xor)
