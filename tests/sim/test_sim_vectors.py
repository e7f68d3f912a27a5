"""Every kernel against published test vectors: NIST, RFCs, RSA Laboratories, and those of other libraries."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography_vectors import open_vector_file

from tests.sim.sim_vector_files import Record, data, private_key, records, run, titled

CURVES: dict[str, ec.EllipticCurve] = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@pytest.mark.parametrize("length", ["Short", "Long"])
@pytest.mark.parametrize("bits", ["256", "384", "512"])
def test_hashes_agree_with_nist(bits: str, length: str) -> None:
    seen = 0
    for record in records(f"hashes/SHA2/SHA{bits}{length}Msg.rsp"):
        if "MSG" in record:
            message = bytes.fromhex(record["MSG"])[: int(record["LEN"]) // 8]
            assert run(f"sha{bits}", message).hex() == record["MD"]
            seen += 1
    assert seen >= 60


@pytest.mark.parametrize("name", ["sha224", "sha256", "sha384", "sha512"])
def test_hmac_agrees_with_rfc_4231(name: str) -> None:
    seen = 0
    for record in records(f"HMAC/rfc-4231-{name}.txt"):
        if "MSG" in record:
            mac = run("hmac", bytes.fromhex(record["MSG"]), material=bytes.fromhex(record["KEY"]), hash=name)
            assert mac.hex() == record["MD"]
            seen += 1
    assert seen >= 5


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_aes_gcm_encrypts_as_nist(bits: int) -> None:
    seen = 0
    for record in _gcm(f"ciphers/AES/GCM/gcmEncryptExtIV{bits}.rsp"):
        key, aux = bytes.fromhex(record["KEY"]), bytes.fromhex(record["IV"] + record["AAD"])
        assert run("aes-gcm-encrypt", bytes.fromhex(record["PT"]), aux, key).hex() == record["CT"] + record["TAG"]
        seen += 1
    assert seen >= 100


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_aes_gcm_decrypts_and_refuses_as_nist(bits: int) -> None:
    good = bad = 0
    for record in _gcm(f"ciphers/AES/GCM/gcmDecrypt{bits}.rsp"):
        key, aux = bytes.fromhex(record["KEY"]), bytes.fromhex(record["IV"] + record["AAD"])
        sealed = bytes.fromhex(record["CT"] + record["TAG"])
        if "FAIL" in record:
            with pytest.raises(InvalidTag):
                run("aes-gcm-decrypt", sealed, aux, key)
            bad += 1
        else:
            assert run("aes-gcm-decrypt", sealed, aux, key).hex() == record["PT"]
            good += 1
    assert good >= 100
    assert bad >= 50


def _gcm(path: str) -> list[Record]:
    # The kernel has nonces of 96 bits and tags of 128 bits only, as TLS does.
    return [
        record for record in records(path) if "IVlen = 96" in record["SECTION"] and "Taglen = 128" in record["SECTION"]
    ]


def test_chacha20_poly1305_agrees_with_rfc_and_boringssl() -> None:
    seen = 0
    for record in records("ciphers/ChaCha20Poly1305/boringssl.txt"):
        key, aux = data(record["KEY"]), data(record["NONCE"]) + data(record["AD"])
        plain, sealed = data(record["IN"]), data(record["CT"]) + data(record["TAG"])
        if "TAG_LEN" in record or "NO_SEAL" in record or len(sealed) != len(plain) + 16:
            continue
        assert run("chacha20-poly1305-encrypt", plain, aux, key) == sealed
        assert run("chacha20-poly1305-decrypt", sealed, aux, key) == plain
        with pytest.raises(InvalidTag):
            run("chacha20-poly1305-decrypt", sealed[:-1] + bytes([sealed[-1] ^ 1]), aux, key)
        seen += 1
    assert seen >= 20


def test_rsa_pkcs1v15_signs_as_nist() -> None:
    seen = 0
    header: Record = {}
    key: rsa.RSAPrivateKey | None = None
    for record in records("asymmetric/RSA/FIPS_186-2/SigGen15_186-2.txt"):
        if "N" in record:
            header, key = dict(record), None
        elif "MSG" not in record:
            header |= record
        else:
            if key is None:
                key = private_key(*(int(header[name], 16) for name in "NED"))
            name = record["SHAALG"].lower()
            signature = run("rsa-sign", bytes.fromhex(record["MSG"]), material=key, hash=name)
            assert signature.hex() == record["S"]
            seen += 1
    assert seen == 250


def test_rsa_pss_signatures_verify_as_the_published_ones_do() -> None:
    seen = 0
    scheme = padding.PSS(padding.MGF1(hashes.SHA1()), 20)
    for key, fields in titled("asymmetric/RSA/pkcs-1v2-1d2-vec/pss-vect.txt", last="Signature"):
        message = fields["Message to be signed"]
        # The salt is drawn inside libcrypto, so the bytes differ; what verifies one must verify the other.
        ours = run("rsa-sign-pss", message, material=key, hash="sha1", salt_length=20)
        for signature in (ours, fields["Signature"]):
            key.public_key().verify(signature, message, scheme, hashes.SHA1())
        with pytest.raises(InvalidSignature):
            key.public_key().verify(ours, message + b"!", scheme, hashes.SHA1())
        seen += 1
    assert seen == 60


def test_rsa_oaep_decrypts_as_rsa_laboratories() -> None:
    seen = 0
    for key, fields in titled("asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt", last="Encryption"):
        assert run("rsa-decrypt", fields["Encryption"], material=key, hash="sha1") == fields["Message"]
        seen += 1
    assert seen == 60


@pytest.mark.parametrize(("mgf1", "name"), [("sha1", "sha256"), ("sha256", "sha384"), ("sha512", "sha224")])
def test_rsa_oaep_decrypts_with_two_hashes(mgf1: str, name: str) -> None:
    seen = 0
    for key, fields in titled(f"asymmetric/RSA/oaep-custom/oaep-{mgf1}-{name}.txt", last="Encryption"):
        plain = run("rsa-decrypt", fields["Encryption"], material=key, hash=name, mgf1_hash=mgf1)
        assert plain == fields["Message"]
        seen += 1
    assert seen >= 5


def test_rsa_oaep_decrypts_with_a_label() -> None:
    (record,) = [record for record in records("asymmetric/RSA/oaep-label.txt") if "KEY" in record]
    key, sealed = bytes.fromhex(record["KEY"]), bytes.fromhex(record["INPUT"])
    label = bytes.fromhex(record["OAEPLABEL"])
    assert run("rsa-decrypt", sealed, material=key, hash="sha512", label=label) == data(record["OUTPUT"])
    with pytest.raises(ValueError, match="ecryption"):
        run("rsa-decrypt", sealed, material=key, hash="sha512")


def test_ecdsa_signatures_verify_with_the_key_of_nist() -> None:
    seen = 0
    for record in records("asymmetric/ECDSA/FIPS_186-3/SigGen.txt"):
        curve_name, _, name = record["SECTION"].partition(",")
        name = name.lower().replace("-", "")
        if "MSG" not in record or curve_name not in CURVES or name not in HASHES:
            continue
        curve = CURVES[curve_name]
        key = ec.derive_private_key(int(record["D"], 16), curve)
        numbers = ec.EllipticCurvePublicNumbers(int(record["QX"], 16), int(record["QY"], 16), curve)
        message = bytes.fromhex(record["MSG"])
        signature = run("ecdsa-sign", message, material=key, hash=name)
        numbers.public_key().verify(signature, message, ec.ECDSA(HASHES[name]))
        seen += 1
    assert seen >= 150


def test_ed25519_signs_as_its_authors() -> None:
    lines = _ed25519()
    assert len(lines) == 1024
    for line in lines:
        secret, _, message, signed = (bytes.fromhex(part) for part in line)
        assert run("ed25519-sign", message, material=secret[:32]) == signed[:64]


def _ed25519() -> list[list[str]]:
    with open_vector_file("asymmetric/Ed25519/sign.input", "r") as file:
        return [line.strip().split(":")[:4] for line in file]


def test_x25519_agrees_with_rfc_7748() -> None:
    seen = 0
    for record in records("asymmetric/X25519/rfc7748.txt"):
        if "INPUT_SCALAR" in record:
            scalar, peer = bytes.fromhex(record["INPUT_SCALAR"]), bytes.fromhex(record["INPUT_U"])
            assert run("x25519", peer, material=scalar).hex() == record["OUTPUT_U"]
            seen += 1
    assert seen >= 2


def test_ecdh_agrees_with_nist_and_refuses_bad_points() -> None:
    good = bad = 0
    for record in records("asymmetric/ECDH/KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_init.fax"):
        section = record["SECTION"].split(" - ")[0]
        curve = {"EC": CURVES["P-256"], "ED": CURVES["P-384"], "EE": CURVES["P-521"]}.get(section)
        if curve is None or "RESULT" not in record:
            continue
        peer_is_bad = record["RESULT"].startswith(("F (1", "F (2"))  # X or Y changed: no point of the curve
        if not peer_is_bad and not record["RESULT"].startswith("P"):
            continue
        size_bytes = (curve.key_size + 7) // 8
        x, y = (int(record[name], 16).to_bytes(size_bytes, "big") for name in ("QSCAVSX", "QSCAVSY"))
        key = ec.derive_private_key(int(record["DSIUT"], 16), curve)
        if peer_is_bad:
            with pytest.raises(ValueError, match="Invalid EC key"):
                run("ecdh", b"\x04" + x + y, material=key)
            bad += 1
        else:
            assert run("ecdh", b"\x04" + x + y, material=key) == bytes.fromhex(record["Z"])
            good += 1
    assert good >= 30
    assert bad >= 6


def test_ecdh_agrees_with_rfc_7027() -> None:
    curves = {"brainpoolP256r1": ec.BrainpoolP256R1(), "brainpoolP384r1": ec.BrainpoolP384R1()}
    seen = 0
    for record in records("asymmetric/ECDH/brainpool.txt"):
        curve = curves.get(record.get("CURVE", ""))
        if curve is None:
            continue
        ours = ec.derive_private_key(int(record["DA"], 16), curve)
        peer = ec.derive_private_key(int(record["DB"], 16), curve).public_key()
        point = peer.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert run("ecdh", point, material=ours) == bytes.fromhex(record["X_Z"])
        seen += 1
    assert seen == 2
